#include <catch2/catch.hpp>

#include "support/pg_shop.hpp"
#include "support/rows.hpp"
