//! Being called instead of asking again and again: the CIR channel over TCP (reference csp.md §3.1).
//!
//! The provider says after login where to connect. The client names its session there, and a line that begins
//! with `WVCI` says that something waits. A connection that is lost is made again; meanwhile the client polls
//! as if there were none.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::cli::phone::Phone;
use crate::imps::SessionId;
use crate::imps::primitive::CirMethod;

/// The port, where the provider names none.
const PORT: u16 = 3171;
/// Longest wait for a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// After so long a silence the provider is asked whether it is still there.
const PING: Duration = Duration::from_secs(600);
/// Between two attempts to connect.
const AGAIN: Duration = Duration::from_secs(30);
/// Longest line that is read, octets.
const LINE_OCTETS_MAX: u64 = 512;

/// The channel of one session; closed when dropped.
pub(super) struct Wake {
    session: SessionId,
    calls: mpsc::Receiver<()>,
    attached: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Wake {
    /// The channel of the phone's session: the one there is, a new one, or none where none was agreed.
    pub(super) fn follow(before: Option<Self>, phone: &Phone) -> Option<Self> {
        let session = phone.session()?;
        if let Some(before) = before.filter(|before| before.session == *session) {
            return Some(before);
        }
        let agreed = phone.agreed().filter(|agreed| agreed.cir_methods.contains(&CirMethod::Stcp))?;
        let host = agreed.tcp_address.as_deref().unwrap_or_else(|| phone.server().host()).to_owned();
        let port = agreed.tcp_port.unwrap_or(PORT);
        let (sender, calls) = mpsc::channel(1);
        let attached = Arc::new(AtomicBool::new(false));
        let (id, state) = (session.clone(), Arc::clone(&attached));
        let task = tokio::spawn(async move {
            loop {
                // However it ended, it is tried again.
                let _ = listen(&host, port, &id, &sender, &state).await;
                state.store(false, Ordering::Relaxed);
                sleep(AGAIN).await;
            }
        });
        Some(Self { session: session.clone(), calls, attached, task })
    }

    /// Whether calls come at the moment.
    pub(super) fn is_attached(&self) -> bool {
        self.attached.load(Ordering::Relaxed)
    }

    /// The next call.
    pub(super) async fn call(&mut self) {
        if self.calls.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Wake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One connection, until it ends.
async fn listen(
    host: &str,
    port: u16,
    session: &SessionId,
    calls: &mpsc::Sender<()>,
    attached: &AtomicBool,
) -> std::io::Result<()> {
    let stream = timeout(CONNECT_LIMIT, TcpStream::connect((host, port))).await??;
    let (read, mut write) = stream.into_split();
    write.write_all(format!("HELO {session}\r\n").as_bytes()).await?;
    let mut read = BufReader::new(read);
    let mut line = Vec::new();
    loop {
        let mut bounded = (&mut read).take(LINE_OCTETS_MAX);
        match timeout(PING, bounded.read_until(b'\n', &mut line)).await {
            // What was read of a line so far stays.
            Err(_) => write.write_all(b"PING\r\n").await?,
            Ok(read) => {
                if read? == 0 {
                    return Ok(());
                }
                // Either says that the session is known here.
                attached.store(true, Ordering::Relaxed);
                if line.starts_with(b"WVCI") {
                    // One call that waits is as good as two.
                    let _ = calls.try_send(());
                }
                line.clear();
            }
        }
    }
}
