//! A server without keys whose every answer is one endless text: node, log and bus stay as small as they were.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
};

use crate::{node::Node, over_the_bus, site::Site};

/// Bytes of an answer.
const ANSWER: usize = 8 << 20;

/// Metadata whose type is a text of control characters.
fn answer() -> Vec<u8> {
    let text = "\u{80}".repeat((ANSWER - 100) / 2);
    format!(r#"{{"signed":{{"_type":"{text}"}},"signatures":[]}}"#).into_bytes()
}

/// The address of such a server; it ends with the test.
fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let body = answer();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let head = BufReader::new(stream.try_clone().unwrap()).lines();
            // Whoever has enough closes the connection.
            head.map_while(Result::ok)
                .take_while(|line| !line.is_empty())
                .for_each(drop);
            let length = body.len();
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
            let _ = stream
                .write_all(head.as_bytes())
                .and_then(|()| stream.write_all(&body));
        }
    });
    address
}

#[test]
fn nothing_of_it_is_kept() {
    let node = Node::new(&Site::new());
    node.follow(&server());
    for _ in 0..2 {
        let ran = node.once();
        assert_eq!(ran.code, Some(5), "{}", ran.log.len());
        assert!(ran.log.len() < 32 * 1024, "{}", ran.log.len());
        assert!(
            node.state_text().len() < 16 * 1024,
            "{}",
            node.state_text().len()
        );
        let reason = node.state()["state"]["reason"].as_str().unwrap().to_owned();
        assert!(
            reason.starts_with("cannot read the release repository: "),
            "{reason}"
        );
    }
}

#[tokio::test]
async fn the_agent_stays_on_the_bus() {
    let node = Node::new(&Site::new());
    node.follow(&server());
    let state = over_the_bus::check(&node).await;
    assert_eq!(state["state"]["name"], "failed");
    assert_eq!(state["state"]["who"], "server");
    assert!(state.to_string().len() < 16 * 1024);
}
