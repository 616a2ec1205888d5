#include "log_state.hpp"

#include "querymark/log/fields.hpp"
#include "querymark/support/error.hpp"

namespace querymark::sqlite {

bool LogState::rewound(std::uint64_t id, WriteId seen) const noexcept {
  if (id > last) return true;
  if (id == 0 || seen == WriteId{}) return false;
  if (!cursor_witness) return id >= floor;  // below the floor it was pruned
  return *cursor_witness != seen;
}

std::optional<Cursor> cursor_of(const Row& row) {
  if (row["epoch"].is_null()) return std::nullopt;
  return Cursor{epoch_of(row["epoch"]), Snapshot::upto({row["cursor_id"].as<std::uint64_t>()}), {}};
}

LogState state_of(const ResultSet& set, const std::string& where) {
  if (set.empty())
    throw SchemaError(where + ": querymark_meta is empty; restore it or migrate anew");
  const Row row = set.row(0);
  LogState state{.epoch = epoch_of(row["epoch"]),
                 .floor = row["floor"].as<std::uint64_t>(),
                 .last = row["last"].as<std::uint64_t>(),
                 .last_witness =
                     write_id_of(row["last_witness"].as<std::optional<std::int64_t>>().value_or(0)),
                 .cursor_witness = std::nullopt,
                 .redefined = row["redefined"].as<std::optional<bool>>().value_or(false)};
  if (const auto witness = row["cursor_witness"].as<std::optional<std::int64_t>>())
    state.cursor_witness = write_id_of(*witness);
  return state;
}

}  // namespace querymark::sqlite
