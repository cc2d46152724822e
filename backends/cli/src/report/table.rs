//! Aligned columns.

use super::wide;

/// How a column is aligned.
#[derive(Clone, Copy)]
pub(crate) enum Align {
    Left,
    Right,
}

/// Rows of clean cells under headings. Widths are columns of a terminal, not bytes.
pub(crate) struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
    indent: &'static str,
}

impl Table {
    pub(crate) fn new(columns: impl Into<Vec<(&'static str, Align)>>) -> Self {
        Self { columns: columns.into(), rows: Vec::new(), indent: "" }
    }

    pub(crate) const fn indented(mut self, caller: &'static str) -> Self {
        self.indent = caller;
        self
    }

    pub(crate) fn row(&mut self, cells: impl Into<Vec<String>>) {
        self.rows.push(cells.into());
    }

    pub(crate) fn lines(&self, colours: bool) -> Vec<String> {
        let cell = |row: &[String], i: usize| row.get(i).map_or(0, |c| wide(c));
        let widths: Vec<usize> = (self.columns.iter().enumerate())
            .map(|(i, (title, _))| {
                self.rows.iter().map(|r| cell(r, i)).max().unwrap_or(0).max(title.len())
            })
            .collect();
        let line = |cells: &mut dyn Iterator<Item = &str>| {
            let mut out = self.indent.to_owned();
            for ((text, &width), (_, align)) in cells.zip(&widths).zip(&self.columns) {
                if width == 0 {
                    continue;
                }
                let pad = " ".repeat(width.saturating_sub(wide(text)));
                match align {
                    Align::Left => out.extend([text, &pad, "  "]),
                    Align::Right => out.extend([&pad, text, "  "]),
                }
            }
            out.truncate(out.trim_end().len());
            out
        };
        let titled = self.columns.iter().any(|(title, _)| !title.is_empty());
        let mut lines = Vec::with_capacity(self.rows.len() + 1);
        if titled {
            let head = line(&mut self.columns.iter().map(|(title, _)| *title));
            lines.push(if colours { format!("\u{1b}[2m{head}\u{1b}[0m") } else { head });
        }
        lines.extend(self.rows.iter().map(|r| line(&mut r.iter().map(String::as_str))));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new([("name", Align::Left), ("n", Align::Right)]);
        table.row(["界".to_owned(), "1".to_owned()]);
        table.row(["abc".to_owned(), "1,000".to_owned()]);
        assert_eq!(table.lines(false), ["name      n", "界        1", "abc   1,000"]);
    }
}
