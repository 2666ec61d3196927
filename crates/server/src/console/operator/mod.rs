//! `/operator`: the operator's own pages.
pub(super) mod account;
pub(super) mod accounts;
pub(super) mod cluster;
pub(super) mod keys;
