//! How long is waited, and how often a thing is asked for again.

use std::time::Duration;

/// How patient an [`Http`](super::Http) is.
#[derive(Debug, Clone)]
pub struct Patience {
    /// For a connection to be made. Default 10 s.
    pub connect: Duration,
    /// For the next bytes to come. Default 30 s.
    pub read: Duration,
    /// How often all addresses of a repository are gone through again for a thing that none of them gave. Default 4.
    pub retries: u32,
    /// The pause before the first repetition; each further one is twice as long. Default 500 ms.
    pub pause: Duration,
    /// The longest pause, also when the server asks for a longer one (Retry-After). Default 30 s.
    pub longest_pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            read: Duration::from_secs(30),
            retries: 4,
            pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(30),
        }
    }
}
