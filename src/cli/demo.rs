//! `causeway demo`: two federated providers in one process, over real sockets, told as a story.
//!
//! Everything is what an operator would have: certificates of a private CA, configuration files, DNS
//! answers, mutual TLS, stores on disk. With `--once` it ends after the story, and well only if every
//! step was seen to happen.

use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::{EnvFilter, Layer, Registry};

use super::laboratory::{Laboratory, Provider, Writing};
use super::phone::{Manner, Phone, PhoneError};
use super::{Ended, Streams};
use crate::imps::{Code, Primitive, UserId, Version};
use crate::net::peer::POSTS;
use crate::node::Node;
use crate::wire::Encoding;

/// Longest wait for any one step.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two polls of a phone.
const POLL: Duration = Duration::from_millis(20);
/// The password of both users.
const PASSWORD: &str = "causeway";

/// Words of the verb.
#[derive(clap::Args, Debug)]
pub struct Words {
    /// Tell the story once and end: exit code 0 only if every step was seen to happen
    #[arg(long)]
    once: bool,
}

/// Runs the verb.
pub fn run(words: &Words, streams: &mut Streams<'_>) -> anyhow::Result<Ended> {
    let folder = Folder::new()?;
    let (posted, posts) = mpsc::channel();
    let filter = EnvFilter::new(format!("{POSTS}=debug"));
    let subscriber = Registry::default().with(Tap(std::sync::Mutex::new(posted)).with_filter(filter));
    // Fails only if a log is running in this process already; then the posts are not shown.
    let _ = tracing::subscriber::set_global_default(subscriber);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.context("the runtime cannot be started")?;
    let mut story = Story { out: streams.output, posts, begin: Instant::now() };
    story.say("Causeway: two providers on this machine, and a message that crosses.\n")?;

    let laboratory = runtime.block_on(Laboratory::new(&folder.0))?;
    let north = laboratory.provider("north.example", &agreed(&["south.example"]))?;
    let south = laboratory.provider("south.example", &agreed(&["north.example"]))?;
    story.step("a private CA, and a certificate for each provider")?;
    north.add_user("ada", PASSWORD)?;
    south.add_user("bo", PASSWORD)?;
    story.step("accounts: wv:ada@north.example, wv:bo@south.example")?;
    runtime.block_on(tell(words, &mut story, &laboratory, &north, &south))?;
    Ok(Ended::Done)
}

async fn tell(
    words: &Words,
    story: &mut Story<'_>,
    laboratory: &Laboratory,
    north: &Provider,
    south: &Provider,
) -> anyhow::Result<()> {
    let north_node = laboratory.start(north).await?;
    let south_node = laboratory.start(south).await?;
    let (north_csp, south_csp) = (client_address(&north_node)?, client_address(&south_node)?);
    for (provider, node) in [(north, &north_node), (south, &south_node)] {
        let (ssp, csp) = (&node.addresses().ssp, &node.addresses().csp);
        story.step(&format!("{} runs: SSP {ssp:?}, CSP {csp:?}", provider.domain))?;
    }
    story.step(&format!("DNS at {} says where both are (SRV _imps-server._tcp)", laboratory.dns().addr()))?;

    let manner = |version, encoding| Manner { version, encoding, digest: true };
    let mut ada =
        Phone::new(north_csp, north.user("ada")?, "ada's phone", manner(Version::V1_2, Encoding::Xml));
    let mut bo =
        Phone::new(south_csp, south.user("bo")?, "bo's phone", manner(Version::V1_1, Encoding::Wbxml));
    for phone in [&mut ada, &mut bo] {
        phone.login(PASSWORD).await.with_context(|| format!("{} cannot log in", phone.user()))?;
        let manner = phone.manner().clone();
        story.step(&format!(
            "{} logs in with a digest (CSP {} in {})",
            phone.user(),
            manner.version,
            manner.encoding.as_str().to_uppercase()
        ))?;
    }

    story.say("\nada writes to bo. There is no link yet: it is found by DNS and set up, six steps.\n")?;
    cross(story, &mut ada, &mut bo, "see you at six").await?;
    story.say("\nbo answers, in WBXML, over the same link.\n")?;
    cross(story, &mut bo, &mut ada, "grüße & 🙂 — I'll bring the maps").await?;

    story.say("\nWhat does not work is said clearly.\n")?;
    for (to, code, why) in [
        ("wv:nobody@south.example", Code::UNKNOWN_USER, "south.example has no such user"),
        ("wv:bo@nowhere.example", Code::DOMAIN_NOT_SUPPORTED, "no agreement with that domain"),
    ] {
        let answer = ada.send(&[to.parse()?], "hello?", false).await?;
        ensure!(answer.result.code == code, "{to} was answered {:?} instead of {code:?}", answer.result);
        story.step(&format!("ada writes to {to}: {:?}; {why}", answer.result.code))?;
    }

    if words.once {
        ada.logout().await?;
        bo.logout().await?;
        north_node.drain().await;
        south_node.drain().await;
        story.step("both phones log out, both nodes stop")?;
        story.say("\ndemo: ok\n")?;
        return Ok(());
    }
    story.say(&format!(
        "\nBoth providers go on running. Any CSP client, or a script, can use them; all password {PASSWORD}:\n\n\
         \x20 http://{north_csp}/   wv:ada@north.example\n\
         \x20 http://{south_csp}/   wv:bo@south.example\n\n\
         Talk:      causeway client --url http://{north_csp}/ --user ada@north.example\n\
         \x20          causeway client --url http://{south_csp}/ --user bo@south.example --version 1.1 --encoding wbxml\n\
         Look on:   curl http://{}/metrics\n\
         Files:     {}\n\
         Stop:      Ctrl-C\n\ndemo: ok\n",
        north_node.addresses().admin.first().map(ToString::to_string).unwrap_or_default(),
        laboratory.folder().display(),
    ))?;
    tokio::signal::ctrl_c().await.context("Ctrl-C cannot be listened to")?;
    story.say("\nstopping\n")?;
    north_node.drain().await;
    south_node.drain().await;
    Ok(())
}

fn client_address(node: &Node) -> anyhow::Result<std::net::SocketAddr> {
    node.addresses().csp.first().copied().context("a provider has no listener for clients")
}

/// One message from one phone to the other, with its delivery report.
async fn cross(story: &mut Story<'_>, from: &mut Phone, to: &mut Phone, words: &str) -> anyhow::Result<()> {
    let begin = Instant::now();
    let recipient: UserId = to.user().clone();
    let answer = from.send(&[recipient], words, true).await?;
    ensure!(answer.result.code == Code::SUCCESSFUL, "the message was answered {:?}", answer.result);
    let sent = begin.elapsed();
    story.posts()?;
    story.step(&format!("{} sends {words:?}: {:?} after {sent:.1?}", from.user(), answer.result.code))?;
    let Primitive::NewMessage(message) = wait(to).await? else { bail!("{} got something else", to.user()) };
    let got = message.content.as_ref().and_then(|content| std::str::from_utf8(content.octets()).ok());
    ensure!(got == Some(words), "{} got {got:?}", to.user());
    ensure!(
        message.info.author().map(|author| &author.id) == Some(from.user()),
        "the sender is not {}",
        from.user()
    );
    story.step(&format!("{} has it {:.1?} after it was sent", to.user(), begin.elapsed()))?;
    let Primitive::DeliveryReport(report) = wait(from).await? else { bail!("{} got no report", from.user()) };
    ensure!(report.result.code == Code::SUCCESSFUL, "the report says {:?}", report.result);
    ensure!(report.info.id == answer.message_id, "the report is about another message");
    story.posts()?;
    story.step(&format!("{} reads the delivery report, {:.1?} in all", from.user(), begin.elapsed()))
}

/// Polls until something waits.
async fn wait(phone: &mut Phone) -> Result<Primitive, PhoneError> {
    let begin = Instant::now();
    loop {
        match phone.take().await? {
            Some(primitive) => return Ok(primitive),
            None if begin.elapsed() > PATIENCE => return Err(PhoneError::Unexpected("nothing")),
            None => tokio::time::sleep(POLL).await,
        }
    }
}

/// What is printed.
struct Story<'a> {
    out: &'a mut dyn Write,
    posts: mpsc::Receiver<(Instant, String)>,
    begin: Instant,
}

impl Story<'_> {
    fn say(&mut self, text: &str) -> anyhow::Result<()> {
        self.out.write_all(text.as_bytes())?;
        Ok(self.out.flush()?)
    }

    fn step(&mut self, text: &str) -> anyhow::Result<()> {
        let millis = self.begin.elapsed().as_millis();
        self.say(&format!("{millis:>7} ms  {text}\n"))
    }

    /// The POSTs between the providers since the last time, in the order in which they began.
    fn posts(&mut self) -> anyhow::Result<()> {
        let mut posts: Vec<_> = self.posts.try_iter().collect();
        posts.sort_by_key(|(began, _)| *began);
        for (_, line) in posts {
            self.say(&format!("            {line}\n"))?;
        }
        Ok(())
    }
}

/// Hears of every POST between providers.
struct Tap(std::sync::Mutex<mpsc::Sender<(Instant, String)>>);

impl<S: tracing::Subscriber> Layer<S> for Tap {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        #[derive(Default)]
        struct Fields {
            from: String,
            to: String,
            what: String,
            rest: String,
            micros: u64,
        }
        impl Visit for Fields {
            fn record_u64(&mut self, field: &Field, value: u64) {
                if field.name() == "micros" {
                    self.micros = value;
                } else {
                    self.record_debug(field, &value);
                }
            }

            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                // Writing into a String does not fail.
                let _ = match field.name() {
                    "from" => write!(self.from, "{value:?}"),
                    "to" => write!(self.to, "{value:?}"),
                    "what" => write!(self.what, "{value:?}"),
                    "octets" => write!(self.rest, "{value:?} octets, "),
                    "outcome" => write!(self.rest, "{value:?}"),
                    _ => Ok(()),
                };
            }
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        let Fields { from, to, what, rest, micros } = fields;
        let took = Duration::from_micros(micros);
        let now = Instant::now();
        let began = now.checked_sub(took).unwrap_or(now);
        if let Ok(posted) = self.0.lock() {
            // The story may be over.
            let _ =
                posted.send((began, format!("{from:>13} → {to:<13}  {what:<28} {rest} after {took:.1?}")));
        }
    }
}

/// The folder of the demonstration, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("causeway-demo-{}", std::process::id()));
        std::fs::create_dir_all(&path).with_context(|| path.display().to_string())?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is left to the system's temporary folder.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
/// An agreement on everything, so that whatever is tried crosses.
fn agreed<'w>(peers: &'w [&'w str]) -> Writing<'w> {
    let agreement = "services = [\"presence\", \"im\", \"group\", \"content\", \"search\"]\n";
    Writing { peers, agreement, ..Writing::default() }
}
