//! Files for people and programs that are there whole or not at all.

use crate::Failure;
use std::io::Write;
use std::path::Path;

/// Writes `bytes` to `path`, whose folder is made if need be. What is there already is replaced at once and as a
/// whole; the file may be read by whom the umask says, as any file that a program writes. What is no file
/// (/dev/stdout) is written to.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    if std::fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir()) {
        return std::fs::write(path, bytes).map_err(failed);
    }
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(dir).map_err(failed)?;
    let mut file = named(dir).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

/// What was renamed into a folder, or out of it, stays so if the power goes.
pub(crate) fn sync_folder(dir: &Path) -> Result<(), Failure> {
    let synced = std::fs::File::open(dir).and_then(|folder| folder.sync_all());
    synced.map_err(|error| format!("{}: {error}", dir.display()))
}

/// A file that nobody knows of yet: a temporary one would be its owner's alone.
pub(crate) fn named(dir: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(dir)
}

#[cfg(test)]
mod tests;
