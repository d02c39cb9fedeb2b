//! `aclctl retry`

use crate::{
    agent::{Agent, Request},
    failure::Failure,
    follow,
    verb::status,
};

pub(crate) async fn run(agent: &Agent, json: bool) -> Result<(), Failure> {
    follow::to_a_release(agent, Request::Retry, json, status::describe).await
}
