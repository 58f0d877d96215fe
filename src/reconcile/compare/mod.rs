//! One room compared with LiveKit's list.

pub mod comparison;
