//! Calls for many buckets, in no order.

use futures_util::{StreamExt, stream};

use crate::store::StoreError;

/// Calls at the same time. A connection sends them together.
const MAX_CALLS: usize = 128;

/// Makes all of these calls. One that fails does not keep the others from being made.
pub(super) async fn each_bucket<T>(
    calls: Vec<impl Future<Output = Result<T, StoreError>>>,
) -> Vec<Result<T, StoreError>> {
    stream::iter(calls).buffer_unordered(MAX_CALLS).collect().await
}
