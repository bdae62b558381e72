//! The page at `/`, for the person who opens the address in a browser.

use axum::response::Html;

/// Says what this is, and where to go on.
pub(super) async fn page() -> Html<&'static str> {
    Html(include_str!("page.html"))
}
