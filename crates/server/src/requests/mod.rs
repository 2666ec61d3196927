//! API requests that gateways report: taken in memory, written in batches, dropped after a while. Never on the way of a verification.
use std::{
    collections::VecDeque,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use claviger_domain::{
    id::{CredentialId, EventId},
    redaction::clipped,
    time::Timestamp,
};
use claviger_store::{StoreError, api_request::ReportedRequest};

use crate::{app::App, problem::Problem};

pub(crate) mod api;
mod report;
pub mod syslog;

pub(crate) use report::{Kept, Report};

/// Reports not written yet: at most so many, and so many bytes of them.
const PENDING: usize = 20_000;
const PENDING_BYTES: usize = 32 * 1024 * 1024;
/// Rows of one transaction: the one writer of an embedded database is not held for longer.
const BATCH: usize = 100;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Reports on their way to the database.
#[derive(Debug, Default)]
pub(crate) struct Reports(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    reports: VecDeque<ReportedRequest>,
    bytes: usize,
}

impl Reports {
    /// Takes all of them, or none when there is no room.
    fn take_in(&self, reports: Vec<ReportedRequest>) -> bool {
        let bytes: usize = reports.iter().map(|report| report.detail.len()).sum();
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.reports.len() + reports.len() > PENDING || waiting.bytes + bytes > PENDING_BYTES {
            return false;
        }
        waiting.bytes += bytes;
        waiting.reports.extend(reports);
        true
    }

    fn next_batch(&self) -> Vec<ReportedRequest> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = waiting.reports.len().min(BATCH);
        let batch: Vec<_> = waiting.reports.drain(..count).collect();
        waiting.bytes -= batch.iter().map(|report| report.detail.len()).sum::<usize>();
        batch
    }
}

/// Takes reports in, redacted. Those of requests that no credential was proven for belong to nobody and are not kept.
///
/// # Errors
/// 503 when more is reported than can be written; then none was taken.
pub(crate) fn take_in(app: &App, reports: Vec<Report>) -> Result<usize, Problem> {
    let now = app.clock.now();
    let kept: Vec<_> = reports.into_iter().filter_map(|report| ready(app, report, now)).collect();
    let count = kept.len();
    if app.reports.take_in(kept) {
        return Ok(count);
    }
    app.metrics.count_requests("dropped", count);
    Err(Problem::unavailable("more API requests are reported than can be written"))
}

fn ready(app: &App, report: Report, now: Timestamp) -> Option<ReportedRequest> {
    let credential: CredentialId = report.credential_id.as_deref()?.parse().ok()?;
    let source = report.client_ip.as_deref().and_then(|ip| ip.parse::<IpAddr>().ok()).map(|ip| ip.to_string());
    let request_id = clipped(&app.redactor.text(report.request_id.as_deref().unwrap_or_default()), 128);
    let at = report.at.filter(|at| *at < now).unwrap_or(now);
    let kept = Kept::of(report, &app.redactor, app.settings.api_request_bodies == Some(true));
    Some(ReportedRequest { id: EventId::new(now, &*app.chance), at, credential, detail: serde_json::to_string(&kept).ok()?, request_id, source })
}

impl App {
    /// Writes the API requests that were reported. To be called every second or so.
    ///
    /// # Errors
    /// When the database is not available; the batch that was being written is lost then.
    pub async fn flush_requests(&self) -> Result<(), StoreError> {
        loop {
            let batch = self.reports.next_batch();
            if batch.is_empty() {
                return Ok(());
            }
            let count = batch.len();
            let written = self.write_requests(batch).await.inspect_err(|_| self.metrics.count_requests("dropped", count))?;
            self.metrics.count_requests("written", written);
            self.metrics.count_requests("unknown", count - written);
            tokio::task::yield_now().await;
        }
    }

    async fn write_requests(&self, batch: Vec<ReportedRequest>) -> Result<usize, StoreError> {
        let (mut tx, mut written) = (self.store.begin().await?, 0);
        for report in batch {
            written += usize::from(tx.insert_api_request(&report).await?);
        }
        tx.commit_housekeeping().await?;
        Ok(written)
    }

    /// Drops the API requests that are past their time.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn drop_old_requests(&self) -> Result<(), StoreError> {
        const MOST: u32 = 500;
        let days = self.settings.api_request_days.unwrap_or_default();
        let until = self.clock.now() - DAY * days;
        loop {
            let mut tx = self.store.begin().await?;
            let dropped = tx.drop_api_requests(until, MOST).await?;
            tx.commit_housekeeping().await?;
            if dropped < u64::from(MOST) {
                return Ok(());
            }
            tokio::task::yield_now().await;
        }
    }
}
