//! What a config brings along itself, in `data:` URLs: it can be looked at before anything is done.

use std::path::Path;

use super::data::DataUrl;
use super::intake::Order;
use crate::config::spec::Resource;
use crate::{Error, Result};

/// How much is unpacked for a look. Of what unpacks to more the rest is seen when it is needed.
const MOST: u64 = 256 << 20;

/// Decodes, unpacks and verifies the content of a `data:` URL, as [`Fetcher::fetch`](super::Fetcher::fetch) does, and
/// keeps nothing of it.
///
/// # Errors
/// [`Error::DataUrl`], [`Error::Decompress`], [`Error::Verify`]. A compression or a digest that is not known is not
/// told here: then only the URL itself is looked at.
pub(crate) fn look(resource: &Resource) -> Result<()> {
    let url = DataUrl::parse(resource.source.as_deref().unwrap_or_default())?;
    let Ok(order) = Order::new(resource, String::new(), Some(MOST), Path::new("")) else {
        return url.write_to(&mut |_| Ok(()));
    };
    let mut intake = order.look();
    let looked = url.write_to(&mut |bytes| intake.take(bytes));
    match looked.and_then(|()| intake.end().map(drop)) {
        Err(Error::TooLong { .. }) => Ok(()),
        looked => looked,
    }
}
