//! Tasks are carried out on a thread of their own, while what they need comes over the network.

use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc;
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};
use crate::manifest::Part;
use crate::payload::assemble::{Assembly, ChunkProblem, Failure};
use crate::payload::plan::Task;
use crate::repository::download::Download;

/// Pieces that wait for the thread.
const WAITING: usize = 16;

/// What the thread is given.
enum Fed {
    /// Bytes, and how many came over the network for them.
    Piece(Bytes, u64),
    /// No more will come; what needs nothing of the network is carried out all the same. Without this word nobody waits
    /// for the thread any more: the download was cancelled.
    End,
}

/// How a pass ended.
pub(super) enum Ended {
    /// Every task was carried out for which what it needs came.
    Done,
    /// The first chunk that was not what it should be; the tasks behind it were carried out.
    Chunk(usize, ChunkProblem),
    /// The sink did not take a chunk; nothing was done behind it.
    Sink(u64, std::io::Error),
    /// It was cancelled; nothing was done since.
    Cancelled,
}

/// Carries `tasks` out, fed by `download`, which gives what they need in their order. How the tasks ended, and how the
/// download did.
pub(super) async fn carry(
    download: &mut Download<'_>,
    assembly: Assembly,
    tasks: Vec<Task>,
    (part, cancel): (Part, &CancellationToken),
) -> Result<(Assembly, Ended, Result<()>), JoinError> {
    let (sender, receiver) = mpsc::channel(WAITING);
    let worker = tokio::task::spawn_blocking(move || work(assembly, &tasks, receiver));
    let fetched = tokio::select! {
        biased;
        // The sender goes with the future.
        () = cancel.cancelled() => Err(Error::Cancelled { part }),
        fetched = feed(download, sender) => fetched,
    };
    let (assembly, ended) = worker.await?;
    Ok((assembly, ended, fetched))
}

async fn feed(download: &mut Download<'_>, sender: mpsc::Sender<Fed>) -> Result<()> {
    // The thread is gone only after an error of the sink, which it tells.
    let fetched = loop {
        match download.piece().await {
            Ok(Some(piece)) => {
                let received = download.take_received();
                if sender.send(Fed::Piece(piece, received)).await.is_err() {
                    return Ok(());
                }
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    let _ = sender.send(Fed::End).await;
    fetched
}

fn work(
    mut assembly: Assembly,
    tasks: &[Task],
    mut pieces: mpsc::Receiver<Fed>,
) -> (Assembly, Ended) {
    let (mut buffer, mut ended) = (BytesMut::new(), Ended::Done);
    let mut nothing_comes = false;
    for task in tasks {
        let bytes = task.bytes();
        let length = (bytes.end - bytes.start) as usize;
        while buffer.len() < length && !nothing_comes {
            match pieces.blocking_recv() {
                Some(Fed::Piece(piece, received)) => {
                    assembly.sink().fetched(received);
                    buffer.extend_from_slice(&piece);
                }
                Some(Fed::End) => nothing_comes = true,
                None => return (assembly, Ended::Cancelled),
            }
        }
        // What needs nothing of the network is carried out all the same.
        if nothing_comes && length > 0 {
            continue;
        }
        let frame = buffer.split_to(length);
        match assembly.carry_out(task, &frame) {
            Ok(()) => {}
            Err(Failure::Chunk(number, problem)) => {
                if matches!(ended, Ended::Done) {
                    ended = Ended::Chunk(number, problem);
                }
            }
            Err(Failure::Sink(offset, source)) => return (assembly, Ended::Sink(offset, source)),
        }
    }
    (assembly, ended)
}
