#pragma once  // For users.

/// The SQLite adapter in one include.

#include "querymark/querymark.hpp"
#include "querymark/sqlite/analyse.hpp"
#include "querymark/sqlite/database.hpp"
#include "querymark/sqlite/doorbell.hpp"
#include "querymark/sqlite/log.hpp"
#include "querymark/sqlite/migrate.hpp"
#include "querymark/sqlite/track.hpp"
#include "querymark/sqlite/url.hpp"
