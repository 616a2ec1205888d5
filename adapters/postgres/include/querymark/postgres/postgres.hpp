#pragma once  // For users.

/// The PostgreSQL adapter in one include.

#include "querymark/postgres/advise.hpp"
#include "querymark/postgres/database.hpp"
#include "querymark/postgres/doorbell.hpp"
#include "querymark/postgres/log.hpp"
#include "querymark/postgres/migrate.hpp"
#include "querymark/postgres/track.hpp"
#include "querymark/postgres/url.hpp"
#include "querymark/querymark.hpp"
