#pragma once

/// The core of querymark in one include. Adapters have their own: `querymark/sqlite/sqlite.hpp`.

#include "querymark/key/key.hpp"
#include "querymark/key/target.hpp"
#include "querymark/log/applier.hpp"
#include "querymark/log/intent.hpp"
#include "querymark/log/memory_outbox.hpp"
#include "querymark/log/own_writes.hpp"
#include "querymark/log/receipt.hpp"
#include "querymark/log/staged.hpp"
#include "querymark/log/subscriber.hpp"
#include "querymark/log/transaction.hpp"
#include "querymark/log/wait.hpp"
#include "querymark/log/worker.hpp"
#include "querymark/log/written.hpp"
#include "querymark/read/cache.hpp"
#include "querymark/read/get_or_load.hpp"
#include "querymark/read/prepared.hpp"
#include "querymark/read/query.hpp"
#include "querymark/read/queryable.hpp"
#include "querymark/read/result.hpp"
#include "querymark/support/error.hpp"
