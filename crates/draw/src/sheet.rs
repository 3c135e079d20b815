//! A report: sentences, tables and charts on one page.

use crate::chart::Chart;
use crate::page::{Page, escape, kind_class, list, refusal};

/// A report.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sheet {
    /// The heading of the page.
    pub title: String,
    /// What it is about, in a sentence.
    pub about: String,
    /// What the figures alone do not say; one sentence each.
    pub notes: Vec<String>,
    /// Tables, before the charts.
    pub tables: Vec<Table>,
    /// Charts, below each other.
    pub charts: Vec<Chart>,
}

/// Rows of text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The heading above it.
    pub title: String,
    /// The names of the columns.
    pub head: Vec<String>,
    /// As many cells each as there are columns.
    pub rows: Vec<Vec<String>>,
}

/// The report as one HTML page. A row of another length than the head, or a value that its axis cannot show, gives a
/// page that says so.
pub fn sheet(sheet: &Sheet) -> String {
    if let Err(why) = valid(sheet) {
        return refusal(&sheet.title, &why);
    }
    let mut body = format!(
        "<header>\n<h1>{}</h1>\n<p class=\"soft\">{}</p>\n</header>\n<main>\n",
        escape(&sheet.title),
        escape(&sheet.about)
    );
    sheet.tables.iter().for_each(|table| body += &rows(table));
    if !sheet.notes.is_empty() {
        let notes = sheet.notes.iter().map(|note| format!("<li>{}</li>\n", escape(note)));
        body += &format!("<ul>\n{}</ul>\n", notes.collect::<String>());
    }
    let mut data = Vec::new();
    for chart in &sheet.charts {
        let (svg, points) = chart.draw();
        body += &format!(
            "<section>\n<h2>{}</h2>\n{}{svg}</section>\n",
            escape(&chart.title),
            key(chart)
        );
        data.push(points);
    }
    body += "</main>\n";
    let page = Page {
        title: &sheet.title,
        class: "sheet",
        css: include_str!("sheet.css"),
        js: include_str!("sheet.js"),
        body: &body,
        data: &list(data),
    };
    page.html()
}

fn valid(sheet: &Sheet) -> Result<(), String> {
    for (at, table) in sheet.tables.iter().enumerate() {
        if let Some(row) = table.rows.iter().position(|row| row.len() != table.head.len()) {
            let (found, expected) = (table.rows[row].len(), table.head.len());
            return Err(format!("table {at}, row {row}: {found} cells, expected {expected}"));
        }
    }
    for (at, chart) in sheet.charts.iter().enumerate() {
        chart.valid().map_err(|why| format!("chart {at}, {why}"))?;
    }
    Ok(())
}

fn rows(table: &Table) -> String {
    let row = |cells: &[String], tag: &str| {
        let cells = cells.iter().map(|cell| format!("<{tag}>{}</{tag}>", escape(cell)));
        format!("<tr>{}</tr>\n", cells.collect::<String>())
    };
    let title = match table.title.as_str() {
        "" => String::new(),
        title => format!("<h2>{}</h2>\n", escape(title)),
    };
    let rows: String = table.rows.iter().map(|cells| row(cells, "td")).collect();
    format!("{title}<div class=\"wide\"><table>\n{}{rows}</table></div>\n", row(&table.head, "th"))
}

/// Which colour is what.
fn key(chart: &Chart) -> String {
    let name = |(kind, series): (usize, &crate::Series)| {
        format!("<span class=\"{}\"><i></i>{}</span>\n", kind_class(kind), escape(&series.name))
    };
    format!(
        "<p class=\"key\">\n{}</p>\n",
        chart.series.iter().enumerate().map(name).collect::<String>()
    )
}
