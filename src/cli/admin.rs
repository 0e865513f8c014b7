//! Asks the running node: one request to its admin API, one JSON answer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Streams;
use crate::config::{self, AdminSettings, Severity};
use crate::node::ADDRESSES_FILE;
use crate::ops::api;

/// How long the node may take to accept the connection.
const CONNECT: Duration = Duration::from_secs(5);
/// How long it may take for the answer; `peer test` waits for DNS, TLS and a login.
const ANSWER: Duration = Duration::from_secs(180);
/// Octets of an answer.
const ANSWER_OCTETS_MAX: usize = 64 * 1024 * 1024;

/// The way to the running node.
pub(super) struct Desk {
    address: SocketAddr,
    settings: AdminSettings,
    runtime: tokio::runtime::Runtime,
}

impl Desk {
    /// The way to the node with this configuration; `None`: it holds mistakes, which were told.
    pub(super) fn open(file: &Path, streams: &mut Streams<'_>) -> anyhow::Result<Option<Self>> {
        let loaded = config::load_for_admin(file);
        for finding in loaded.findings.iter().filter(|finding| finding.severity == Severity::Error) {
            writeln!(streams.errors, "{finding}")?;
        }
        let Some(settings) = loaded.settings else { return Ok(None) };
        let address = address(&settings)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(Some(Self { address, settings, runtime: runtime.context("the node cannot be asked")? }))
    }

    /// Asks; an error says why it was not done.
    pub(super) fn ask(&self, method: Method, path: &str) -> anyhow::Result<Value> {
        self.runtime.block_on(self.exchange(method, path, None))
    }

    /// The same with a body.
    pub(super) fn tell(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.runtime.block_on(self.exchange(Method::POST, path, Some(body)))
    }

    async fn exchange(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let address = self.address;
        let connected = timeout(CONNECT, TcpStream::connect(address)).await;
        let stream = connected.map_err(|_| std::io::ErrorKind::TimedOut.into()).and_then(|found| found);
        let stream = stream.with_context(|| {
            format!("no node answers at {address}; start it with `causeway serve`, or see [admin] listen")
        })?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", api::PREFIX))
            .header(HOST, address.to_string());
        if let Some(token) = &self.settings.admin.token {
            request = request.header(AUTHORIZATION, format!("Bearer {}", token.expose()));
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = Bytes::from(body.map(Value::to_string).unwrap_or_default());
        let answer = timeout(ANSWER, sender.send_request(request.body(Full::new(body))?)).await;
        let answer = answer
            .with_context(|| format!("the node at {address} did not answer in time; look at its log"))?;
        let answer = answer.with_context(|| format!("the node at {address} broke off; look at its log"))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_OCTETS_MAX).collect().await;
        let body =
            body.map_err(|error| anyhow::anyhow!("the node's answer cannot be read: {error}"))?.to_bytes();
        if status == hyper::StatusCode::UNAUTHORIZED {
            bail!(
                "the node at {address} wants another token; [admin] token-file must hold the one it began with"
            );
        }
        let value: Value = serde_json::from_slice(&body)
            .with_context(|| format!("what answers at {address} is no Causeway; see [admin] listen"))?;
        if !status.is_success() {
            bail!(
                "{}",
                at(&value, "error").as_str().unwrap_or("the node refused without a reason; look at its log")
            );
        }
        Ok(value)
    }
}

/// Where the node listens, as this machine reaches it.
fn address(settings: &AdminSettings) -> anyhow::Result<SocketAddr> {
    let mut address = settings.admin.listen;
    if address.port() == 0 {
        let file = settings.data.join(ADDRESSES_FILE);
        let text = std::fs::read(&file).ok();
        let written: Option<Value> = text.and_then(|text| serde_json::from_slice(&text).ok());
        let bound = written.as_ref().and_then(|written| written.pointer("/admin/0")?.as_str()?.parse().ok());
        address = bound.with_context(|| {
            format!("{} does not say where the node listens; start it with `causeway serve`", file.display())
        })?;
    }
    if address.ip().is_unspecified() {
        let here: IpAddr =
            if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
        address.set_ip(here);
    }
    Ok(address)
}

/// Lines of a table: columns as wide as they need to be, two spaces between.
pub(super) fn table(rows: &[Vec<String>], streams: &mut Streams<'_>) -> anyhow::Result<()> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        writeln!(streams.output, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

/// A member of an object; null if it has none of that name.
pub(super) fn at<'v>(value: &'v Value, name: &str) -> &'v Value {
    value.get(name).unwrap_or(&Value::Null)
}

/// A value in words: texts as they are, lists with commas, nothing as `-`.
pub(super) fn words(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "-".to_owned(),
        Value::Array(items) => items.iter().map(words).collect::<Vec<_>>().join(", "),
        Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

/// A list that the node told, as JSON or as a table of these columns: titles, and names of members.
pub(super) fn listed(
    list: &Value,
    columns: &[(&str, &str)],
    json: bool,
    streams: &mut Streams<'_>,
) -> anyhow::Result<()> {
    if json {
        writeln!(streams.output, "{list}")?;
        return Ok(());
    }
    let titles = columns.iter().map(|(title, _)| (*title).to_owned()).collect();
    let row = |item: &Value| columns.iter().map(|(_, name)| words(at(item, name))).collect();
    let rows: Vec<_> =
        std::iter::once(titles).chain(list.as_array().into_iter().flatten().map(row)).collect();
    table(&rows, streams)
}

/// Seconds as people say them.
pub(super) fn ago(seconds: &Value) -> String {
    match seconds.as_u64() {
        None => "-".to_owned(),
        Some(seconds @ 0..120) => format!("{seconds} s"),
        Some(seconds @ 120..7200) => format!("{} min", seconds / 60),
        Some(seconds @ 7200..172_800) => format!("{} h", seconds / 3600),
        Some(seconds) => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_said_in_words() {
        assert_eq!(words(&json!(["im", "group"])), "im, group");
        assert_eq!(words(&json!([])), "-");
        assert_eq!(words(&json!(true)), "yes");
        assert_eq!(words(&Value::Null), "-");
        assert_eq!(
            (ago(&json!(5)), ago(&json!(7199)), ago(&Value::Null)),
            ("5 s".into(), "119 min".into(), "-".into())
        );
    }
}
