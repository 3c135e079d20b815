#!/usr/bin/env bash
# The pictures of crates/draw in a real browser: screenshots in FOLDER (default target/pictures), and a check that
# the pages say nothing on the console, that clicking two events says what the vector clocks of the Rust code say,
# and that hiding and zooming work. Chromium comes from Debian's packages; where it cannot be had this is skipped
# loudly; with STRICT=1 a skip fails.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
out=${1:-$root/target/pictures}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

chromium=$(command -v chromium || true)
if [[ -z "$chromium" ]]; then
    apt-get install -y -q chromium >"$work/apt.log" 2>&1 || true
    chromium=$(command -v chromium || true)
fi
if [[ -z "$chromium" ]]; then
    echo "SKIPPED pictures: chromium is not there and apt-get could not install it" >&2
    [[ "${STRICT:-0}" == 1 ]] && exit 1
    exit 0
fi

mkdir -p "$out"
cargo run --quiet --manifest-path "$root/Cargo.toml" -p draw --example samples "$out"

# browse ARGUMENT...: its standard error, with what pages say on the console, is added to $work/log.
browse() {
    timeout 120 "$chromium" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars \
        --user-data-dir="$work/profile" --enable-logging=stderr --window-size=1400,900 \
        --virtual-time-budget=5000 "$@" 2>>"$work/log"
}
# page NAME SCRIPT: a copy of a page with a script of ours at its end.
page() {
    cp "$out/$1.html" "$work/page.html"
    printf '<script>%s</script>\n' "$2" >>"$work/page.html"
}
# picture NAME SCRIPT AS ARGUMENT...
picture() {
    page "$1" "$2"
    browse "${@:4}" --screenshot="$out/$3.png" "file://$work/page.html" >/dev/null
    [[ -s "$out/$3.png" ]] || { echo "error: no screenshot of $1" >&2; exit 1; }
}

click='const click = (id) => marks[id].firstChild.dispatchEvent(new MouseEvent("click", { bubbles: true }));'
dark=--blink-settings=preferredColorScheme=0
picture run-30 '' run-30
picture run-30 "$click click(5); click(16);" run-30-dark "$dark"
picture run-3000 '' run-3000
picture run-3000 'one("#fit").click();' run-3000-fit
picture run-3000 "$click click(1480); click(1540); view.scrollTop = events[1500].y - 300;" run-3000-path
picture run-3000 'one("#scale").click(); one("#find").value = "crash"; one("#find").oninput();' run-3000-scale
for name in timeline timeline-20000 cycle-2 cycle-3 cycle-6 run-nasty timeline-nasty cycle-nasty; do
    picture "$name" '' "$name"
done
picture timeline '' timeline-dark "$dark"

status=0
for count in 30 3000; do
    page "run-$count" "$click
        const wrong = [], pairs = $(cat "$out/relations-$count.json"), tally = {};
        for (const [a, b, expected] of pairs) {
            one('#clear').click(); click(a); click(b);
            const said = one('#relation').dataset.relation, text = one('#relation').textContent;
            const word = said === 'concurrent' ? 'are concurrent' : 'is ' + said + ' ';
            if (said !== expected || !text.includes(word)) wrong.push([a, b, expected, said]);
            tally[said] = (tally[said] || 0) + 1;
        }
        const seen = () => marks.filter((mark) => !mark.classList.contains('gone')).length;
        const whole = seen(), start = performance.now();
        all('aside input[data-process]')[0].click();
        const rest = seen(), own = events.filter((event) => event.process === 0).length;
        one('#reset').click();
        const took = Math.round((performance.now() - start) / 2);
        if (whole !== events.length || rest !== whole - own || seen() !== whole) wrong.push(['hide', whole, rest]);
        one('#fit').click();
        if (Math.max(...events.map((event) => event.y)) > view.clientHeight) wrong.push(['fit']);
        document.title = 'verdict: ' + (wrong.length ? 'WRONG ' + JSON.stringify(wrong.slice(0, 5)) : 'ok')
            + '; ' + pairs.length + ' pairs clicked ' + JSON.stringify(tally) + '; a filter took ' + took + ' ms';"
    verdict=$(browse --dump-dom "file://$work/page.html" | grep -o '<title>verdict: [^<]*' | cut -c 17-) || true
    echo "$count events: ${verdict:-no verdict}"
    [[ "$verdict" == ok* ]] || status=1
done
if grep CONSOLE "$work/log" >&2; then
    echo "error: a page said something on the console" >&2
    status=1
fi
echo "pictures: $out/*.png"
exit $status
