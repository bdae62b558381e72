//! CSV as RFC 4180 has it.

use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

/// A table as a response; `columns` is its first line.
pub(super) fn table(columns: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> Response {
    let mut text = String::new();
    line(&mut text, columns.iter().copied());
    for row in rows {
        line(&mut text, row.iter().map(String::as_str));
    }
    let headers = [
        (CONTENT_TYPE, "text/csv; charset=utf-8"),
        (CONTENT_DISPOSITION, "attachment; filename=\"spend.csv\""),
    ];
    (headers, text).into_response()
}

fn line<'c>(text: &mut String, cells: impl Iterator<Item = &'c str>) {
    for (at, cell) in cells.enumerate() {
        if at > 0 {
            text.push(',');
        }
        write(text, cell);
    }
    text.push_str("\r\n");
}

/// Clients choose some of these texts. What a spreadsheet would run as a formula gets an apostrophe.
fn write(text: &mut String, cell: &str) {
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if !formula && !cell.contains([',', '"', '\n', '\r']) {
        text.push_str(cell);
        return;
    }
    text.push('"');
    if formula {
        text.push('\'');
    }
    text.push_str(&cell.replace('"', "\"\""));
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_must_be_and_never_run() {
        let mut text = String::new();
        line(
            &mut text,
            ["plain", "a,b", "say \"hi\"", "=1+1", ""].into_iter(),
        );
        let expected = "plain,\"a,b\",\"say \"\"hi\"\"\",\"'=1+1\",\r\n";
        assert_eq!(text, expected);
    }
}
