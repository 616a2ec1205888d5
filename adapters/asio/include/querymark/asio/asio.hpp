#pragma once  // For users.

/// Cached queries on a Boost.Asio event loop.
///
///     qm::Cache cache({.offload = std::make_shared<qm::Offload>(qm::OffloadOptions{.threads = 8})});
///     qm::postgres::Database db(cache, options);
///     const auto by_id = db.prepare<Product>("select ...").tag(product_of);
///     ...
///     const qm::Rows<Product> rows = co_await by_id.async(7, boost::asio::use_awaitable);
///
/// Many keys at once are `by_ids.async_fetch_many(ids, token)`. Queries that are built for one call have
/// `.async(token)` and `.async_as<T>(token)`, values by a name
/// `async_get_or_load<T>(cache, name, options, load, token)`, where `load` may be a coroutine.
///
/// Completion signature: `void(std::exception_ptr, Rows<T>)`, or instead of Rows a Result, a Cached<T>, or
/// for many keys a vector of them. Any completion
/// token (coroutines, callbacks, futures) and any executor: the one that is associated with the
/// handler. What a call waits for (another's load, a pause, a deadline) costs no thread; what blocks
/// (the database, shared tiers, the log) is done by the threads of the cache's `offload`, as many at
/// once as it has. A cache without one ends the call with ConfigError, a full queue with an Error that is
/// worth another try. The same promises as for a call that blocks: the same machine runs both.
///
/// A hit starts no read. With `use_awaitable` it does not suspend; other tokens get it by a post, as Asio
/// demands.
///
/// The parameters are copied: views of text (`string_view`, `char*`) as strings, all else as it is. Memory
/// is looked into when the operation starts, which for a token that starts later (`use_awaitable`,
/// `deferred`) is when it is awaited.
///
/// Cancellation, by the handler's slot, of every type: the call completes with
/// `boost::asio::error::operation_aborted`; a load under way goes on, for others and for memory. Slots
/// are emitted on the handler's own strand, as ever. The database must outlive its calls, and the
/// executor's context the threads of the offload that are at work for them (Offload::drain).

#include "querymark/asio/async_calls.hpp"
#include "querymark/asio/async_run.hpp"
#include "querymark/asio/async_value.hpp"
