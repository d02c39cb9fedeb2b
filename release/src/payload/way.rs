//! How the frames of a pack were compressed.

use serde::{Deserialize, Serialize};

/// What a frame depends on besides its chunk: the same chunk compressed in the same way is the same bytes. What else
/// there is to choose in zstd is left as it is, or would be named here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// The version of zstd as it numbers itself: 10507 is 1.5.7. Another one may compress otherwise.
    pub zstd: u32,
    /// Its level.
    pub level: i32,
}

impl Way {
    /// That of this program at a level.
    pub fn of(level: i32) -> Self {
        Self {
            zstd: zstd::zstd_safe::version_number(),
            level,
        }
    }
}
