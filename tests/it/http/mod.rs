//! Each route, each refusal, each header.

mod credentials;
mod errors;
mod limits;
mod participants;
mod rooms;
mod rooms_stream;
mod slow_answers;
mod stream;
mod webhook;
mod wellbeing;
