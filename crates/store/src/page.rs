//! Pages of a long list: keyset paging, so that what is added or removed meanwhile neither repeats nor hides a row.

/// One page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows, newest first.
    pub items: Vec<T>,
    /// Where the next page begins; None on the last one.
    pub next: Option<String>,
}

/// Which page is wanted.
#[derive(Clone, Debug)]
pub struct PageRequest {
    /// The `next` of the page before; None for the first.
    pub after: Option<String>,
    /// How many rows at most: 1 to 200.
    pub limit: u32,
}

/// The largest UUID (RFC 9562, section 5.10), so that the first page needs no SQL of its own.
const AFTER_ALL: &str = "ffffffff-ffff-ffff-ffff-ffffffffffff";

/// A LIKE pattern, with `!` as its escape, for what holds `text` in lower case.
pub(crate) fn holds(text: &str) -> String {
    format!("%{}%", text.to_lowercase().replace('!', "!!").replace('%', "!%").replace('_', "!_"))
}

impl PageRequest {
    pub(crate) fn before(&self) -> String {
        self.after.clone().unwrap_or_else(|| AFTER_ALL.to_owned())
    }

    /// One more than asked for: it tells whether there is a next page.
    pub(crate) fn fetch(&self) -> i64 {
        i64::from(self.limit) + 1
    }

    pub(crate) fn page<T>(&self, mut items: Vec<T>, id: impl Fn(&T) -> String) -> Page<T> {
        let more = items.len() > self.limit as usize;
        items.truncate(self.limit as usize);
        let next = if more { items.last().map(id) } else { None };
        Page { items, next }
    }
}
