//! What stands still, disk or server, from the moment at which an effect of the agent begins.

use std::{
    fmt::Debug,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Duration,
};

use acl_host::file;
use tokio::sync::Notify;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

/// Lets everybody pass until it is shut.
#[derive(Default)]
pub(crate) struct Hold {
    shut: Mutex<bool>,
    opened: Condvar,
    met: Notify,
}

impl Hold {
    fn lock(&self) -> MutexGuard<'_, bool> {
        self.shut.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while it is shut.
    pub(crate) fn pass(&self) {
        let mut shut = self.lock();
        if *shut {
            self.met.notify_one();
        }
        while *shut {
            let opened = self.opened.wait(shut);
            shut = opened.unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(crate) fn shut(&self) {
        *self.lock() = true;
    }

    pub(crate) fn open(&self) {
        *self.lock() = false;
        self.opened.notify_all();
    }

    pub(crate) fn is_shut(&self) -> bool {
        *self.lock()
    }

    /// Ends when somebody waits.
    pub(crate) async fn met(&self) {
        self.met.notified().await;
    }
}

/// Opens a hold when the test hangs, so that it fails.
pub(crate) struct Watchdog {
    _end: mpsc::Sender<()>,
}

impl Watchdog {
    pub(crate) fn new(hold: &Arc<Hold>) -> Self {
        let (end, ended) = mpsc::channel::<()>();
        let hold = hold.clone();
        std::thread::spawn(move || {
            if ended.recv_timeout(Duration::from_secs(120)) == Err(mpsc::RecvTimeoutError::Timeout)
            {
                hold.open();
            }
        });
        Self { _end: end }
    }
}

/// Takes the agent's log, and shuts a hold at the line that says that an effect begins.
pub(crate) struct Trap {
    effect: &'static str,
    hold: Arc<Hold>,
    sprung: AtomicBool,
}

impl Trap {
    pub(crate) fn new(effect: &'static str, hold: &Arc<Hold>) -> Self {
        Self {
            effect,
            hold: hold.clone(),
            sprung: AtomicBool::new(false),
        }
    }
}

/// The fields `effect` and `phase` of a line.
#[derive(Default)]
struct Line {
    effect: String,
    phase: String,
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "effect" => value.clone_into(&mut self.effect),
            "phase" => value.clone_into(&mut self.phase),
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

impl Subscriber for Trap {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        let begins = line.effect == self.effect && line.phase == "start";
        if begins && !self.sprung.swap(true, Ordering::SeqCst) {
            self.hold.shut();
        }
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// Serves a directory, and does something before each answer: waits, for example. Knows no ranges. Its threads end with the
/// tests.
pub(crate) struct SlowServer(SocketAddr);

impl SlowServer {
    /// `before` is told which path is asked for.
    pub(crate) fn new(directory: PathBuf, before: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self::out_of_order(directory, move |path| {
            before(path);
            false
        })
    }

    /// One that is out of order where `before` says so: it answers 503.
    pub(crate) fn out_of_order(
        directory: PathBuf,
        before: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let before = Arc::new(before);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (directory, before) = (directory.clone(), before.clone());
                // A client that goes away is no fault.
                std::thread::spawn(move || serve(stream.unwrap(), &directory, &*before));
            }
        });
        Self(address)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.0)
    }
}

fn serve(
    stream: TcpStream,
    directory: &Path,
    before: &dyn Fn(&str) -> bool,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    while !lines.next().transpose()?.unwrap_or_default().is_empty() {}
    let path = request.split(' ').nth(1).unwrap_or_default();
    let out_of_order = before(path);
    let (status, bytes) = match file::read(directory.join(path.trim_start_matches('/'))) {
        _ if out_of_order => ("503 Service Unavailable", Vec::new()),
        Ok(bytes) => ("200 OK", bytes),
        Err(_) => ("404 Not Found", Vec::new()),
    };
    let length = bytes.len();
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    (&stream).write_all(head.as_bytes())?;
    (&stream).write_all(&bytes)
}
