#pragma once

/// The core of querymark in one include. Adapters have their own: `querymark/sqlite/sqlite.hpp`.

#include "querymark/deliver/applier.hpp"
#include "querymark/deliver/worker.hpp"
#include "querymark/follow/subscriber.hpp"
#include "querymark/key/key.hpp"
#include "querymark/key/target.hpp"
#include "querymark/log/intent.hpp"
#include "querymark/log/memory_outbox.hpp"
#include "querymark/log/receipt.hpp"
#include "querymark/read/cache.hpp"
#include "querymark/read/get_or_load.hpp"
#include "querymark/read/prepared.hpp"
#include "querymark/read/query.hpp"
#include "querymark/read/queryable.hpp"
#include "querymark/read/result.hpp"
#include "querymark/support/error.hpp"
#include "querymark/wait/wait.hpp"
#include "querymark/write/own_writes.hpp"
#include "querymark/write/staged.hpp"
#include "querymark/write/transaction.hpp"
#include "querymark/write/written.hpp"
