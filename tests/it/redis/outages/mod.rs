//! What breaks between the service and Redis, what clients see meanwhile, and that everything is right afterwards.

mod links;
mod lost_data;
mod refused_writes;
mod restarts;
