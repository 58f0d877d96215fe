//! Rooms in Redis, or in a Cluster: any number of instances on one of them are one service.
//!
//! Redis compares and sets, and knows no rule of a room. A room is one hash with a row for each person. A step reads the rows
//! that it is about, has `presence` decide, and writes if nobody has written since ([`steps`], [`commit`]). An instance keeps the
//! rows that its last step on a room read or wrote ([`turns`]), so that most steps read nothing.

mod answer;
mod batches;
mod clock;
mod commit;
mod connection;
mod each_bucket;
mod error;
mod events;
mod examine;
mod followers;
mod history;
mod inbox;
mod index;
mod keys;
mod link;
mod message;
mod metrics;
mod peers;
mod reader;
mod redis_store;
mod rights;
mod room_list;
mod rows;
mod scripts;
mod server_time;
mod settings;
mod steps;
mod streams;
mod subscriber;
mod subscriber_task;
mod subscription;
mod turns;

pub use examine::{ExaminedRedis, UnusableRedis, examine};
pub use metrics::RedisMetrics;
pub use peers::RedisPeers;
pub use redis_store::RedisStore;
pub use settings::RedisSettings;
