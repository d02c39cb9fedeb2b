//! What cannot be sent on the bus.

use acl_updated::{
    agent::Shown,
    bus::{self, Authority},
};
use futures_util::StreamExt as _;
use tokio::sync::{mpsc, watch};
use zbus::{
    MessageStream,
    message::Type,
    proxy::CacheProperties,
    zvariant::{OwnedValue, Value},
};

use crate::over_the_bus::{UpdaterProxy, pair};

/// One byte more than a message may have (D-Bus specification, "Message Format").
const TOO_LONG: usize = (128 << 20) + 1;

fn shown(state: impl Into<String>, done: u64) -> Shown {
    Shown {
        state: state.into(),
        progress: (done, 9),
    }
}

/// The next property that a signal tells, and what it is now.
async fn next(signals: &mut MessageStream) -> (String, OwnedValue) {
    type Changed = (
        String,
        std::collections::HashMap<String, OwnedValue>,
        Vec<String>,
    );
    loop {
        let message = signals.next().await.unwrap().unwrap();
        if message.message_type() == Type::Signal {
            let body = message.body();
            let (_, mut changed, _): Changed = body.deserialize().unwrap();
            let name = changed.keys().next().unwrap().clone();
            let value = changed.remove(&name).unwrap();
            return (name, value);
        }
    }
}

#[tokio::test]
async fn a_signal_that_cannot_be_sent_does_not_end_the_agent() {
    let (server, client) = pair().await;
    let (asks, _asked) = mpsc::channel(1);
    let (show, seen) = watch::channel(shown("{}", 0));
    let served = bus::serve(&server, asks, seen, Authority::Peer);
    let tested = async {
        let mut signals = MessageStream::from(&client);
        let updater = UpdaterProxy::builder(&client).cache_properties(CacheProperties::No);
        let updater = updater.build().await.unwrap();
        assert_eq!(updater.progress().await.unwrap(), (0, 9));
        show.send(shown("z".repeat(TOO_LONG), 1)).unwrap();
        // The state comes before the progress, and is left out.
        let (name, value) = next(&mut signals).await;
        assert_eq!(name, "Progress");
        assert_eq!(<(u64, u64)>::try_from(value).unwrap(), (1, 9));
        show.send(shown("{\"a\":1}", 1)).unwrap();
        let (name, value) = next(&mut signals).await;
        assert_eq!(name, "State");
        assert_eq!(*value, Value::from("{\"a\":1}"));
        assert_eq!(updater.state().await.unwrap(), "{\"a\":1}");
    };
    tokio::select! {
        biased;
        ended = served => panic!("the agent left the bus: {ended:?}"),
        () = tested => {}
    }
}
