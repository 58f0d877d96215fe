//! Everything that is tested from outside. One binary, so that it links once.

mod captures;
mod rules;
