//! Work on two threads, its results in the order of its tasks.

use std::io;
use std::sync::mpsc::sync_channel;

/// Threads that work.
const THREADS: usize = 2;

/// Tasks that wait for a thread, and results that wait for their turn.
const WAITING: usize = 16;

/// Has each of `tasks` done by what `worker` makes for each thread, and hands the results to `take` in their order.
///
/// # Errors
/// The first that `take` gives; what is left is not done then.
pub(super) fn in_order<T: Send, R: Send, W: FnMut(T) -> R>(
    tasks: impl Iterator<Item = T> + Send,
    worker: impl Fn() -> W + Sync,
    mut take: impl FnMut(R) -> io::Result<()>,
) -> io::Result<()> {
    std::thread::scope(|scope| {
        let (mut senders, mut results) = (Vec::new(), Vec::new());
        for _ in 0..THREADS {
            let (sender, tasks) = sync_channel::<T>(WAITING);
            let (done, result) = sync_channel::<R>(WAITING);
            let worker = &worker;
            scope.spawn(move || {
                let mut work = worker();
                // Nobody takes results any more after an error.
                tasks.into_iter().all(|task| done.send(work(task)).is_ok())
            });
            senders.push(sender);
            results.push(result);
        }
        scope.spawn(move || {
            tasks
                .zip(senders.iter().cycle())
                .all(|(task, sender)| sender.send(task).is_ok())
        });
        for result in results.iter().cycle() {
            // The first thread that has no more is the one whose turn it would be.
            let Ok(result) = result.recv() else { break };
            take(result)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::in_order;

    #[test]
    fn results_come_in_order_and_all_of_them() {
        for count in [0, 1, 2, 3, 1000] {
            let mut squares = Vec::new();
            in_order(
                0..count,
                || |number: u64| number * number,
                |square| {
                    squares.push(square);
                    Ok(())
                },
            )
            .unwrap();
            assert_eq!(squares, (0..count).map(|n| n * n).collect::<Vec<_>>());
        }
    }

    #[test]
    fn an_error_ends_it() {
        let mut taken = 0;
        let ended = in_order(
            0..u64::MAX,
            || |number| number,
            |number| {
                taken += 1;
                if number == 5 {
                    return Err(std::io::Error::other("full"));
                }
                Ok(())
            },
        );
        assert_eq!(
            (ended.unwrap_err().to_string().as_str(), taken),
            ("full", 6)
        );
    }
}
