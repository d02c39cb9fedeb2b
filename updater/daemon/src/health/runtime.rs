//! Whether the container runtime answers.

use std::{path::Path, time::Duration};

use tokio::time::{Instant, sleep, timeout_at};

use super::cri;

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(500);

/// Passes as soon as the runtime tells its version; told why not once `limit` has passed.
pub(super) async fn answers(socket: &Path, limit: Duration) -> Result<(), String> {
    let end = Instant::now() + limit;
    loop {
        let problem = match timeout_at(end, cri::version(socket)).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => acl_host::error::chain(&error),
            Err(_) => "it does not answer".to_owned(),
        };
        if Instant::now() + PAUSE >= end {
            return Err(format!(
                "no container runtime answers on {} within {} s: {problem}",
                socket.display(),
                limit.as_secs()
            ));
        }
        sleep(PAUSE).await;
    }
}
