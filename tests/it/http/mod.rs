//! Each route: its answers, refusals and headers.

mod counts;
mod credentials;
mod errors;
mod event_source;
mod events;
mod large_heads;
mod last_event_id;
mod limits;
mod line_ends;
mod participants;
mod refusals;
mod replaced;
mod rooms;
mod rooms_all;
mod rooms_stream;
mod slow_answers;
mod stream;
mod web_socket;
mod web_socket_browser;
mod web_socket_protocol;
mod web_socket_refusals;
mod web_socket_rooms;
mod web_socket_tokens;
mod web_socket_views;
mod webhook;
mod wellbeing;
