#pragma once  // For users.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "querymark/automatic/advice.hpp"

// Where the queries come from that Database::advise is asked about.

namespace querymark::postgres {

/// The queries of a script, of statements that end with `;`, each as often as it stands there. Writes and
/// commands are left out. Never throws for what it holds.
[[nodiscard]] std::vector<SeenQuery> queries_in(std::string_view script);

/// What the extension pg_stat_statements has counted in the database at `url`: its queries, with parameters in place of
/// constants, the most called first, but for those about the server itself (catalogues). Texts of other
/// roles are hidden from one that is no member of pg_read_all_stats.
struct Statements {
  std::vector<SeenQuery> queries{};
  std::uint64_t hidden = 0;  ///< Calls of these.
};
/// At most `most`. Blocks. Throws ConfigError where the extension is not installed, Error.
[[nodiscard]] Statements statements_seen(const std::string& url, std::size_t most);

}  // namespace querymark::postgres
