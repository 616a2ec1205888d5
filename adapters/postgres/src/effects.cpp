#include "effects.hpp"

#include <algorithm>
#include <array>

namespace querymark::postgres {
namespace {

// The catalogue marks functions as volatile, random() and clock_timestamp() too; which of them
// leave something behind, only the manual says (sequences, large objects, administration, contrib).
constexpr std::array<std::string_view, 12> kFamilies{
    "binary_upgrade_", "dblink",           "pg_advisory_",     "pg_backup_",
    "pg_file_",        "pg_logical_slot_", "pg_ls_",           "pg_replication_origin_",
    "pg_stat_reset",   "pg_start_backup",  "pg_try_advisory_", "pg_wal_replay_"};

constexpr std::string_view kFunctions[] = {
    // sequences, and what a session was given by one
    "currval", "lastval", "nextval", "setval",
    // large objects; lo_get reads one as it is
    "lo_close", "lo_creat", "lo_create", "lo_export", "lo_from_bytea", "lo_import", "lo_lseek",
    "lo_lseek64", "lo_open", "lo_put", "lo_tell", "lo_tell64", "lo_truncate", "lo_truncate64",
    "lo_unlink", "loread", "lowrite",
    // the session, its transaction's id, and other sessions
    "pg_cancel_backend", "pg_current_xact_id", "pg_export_snapshot",
    "pg_log_backend_memory_contexts", "pg_notify", "pg_stat_clear_snapshot",
    "pg_stat_force_next_flush", "pg_terminate_backend", "set_config", "setseed", "txid_current",
    // the server: WAL, replication, configuration, files, maintenance
    "brin_desummarize_range", "brin_summarize_new_values", "brin_summarize_range",
    "gin_clean_pending_list", "pg_buffercache_evict", "pg_copy_logical_replication_slot",
    "pg_copy_physical_replication_slot", "pg_create_logical_replication_slot",
    "pg_create_physical_replication_slot", "pg_create_restore_point", "pg_drop_replication_slot",
    "pg_extension_config_dump", "pg_import_system_collations", "pg_logical_emit_message",
    "pg_nextoid", "pg_prewarm", "pg_promote", "pg_read_binary_file", "pg_read_file",
    "pg_read_file_old", "pg_reload_conf", "pg_replication_slot_advance", "pg_rotate_logfile",
    "pg_rotate_logfile_old", "pg_stat_file", "pg_stat_statements_reset", "pg_stop_backup",
    "pg_switch_wal", "pg_sync_replication_slots",
    // SQL in a value, where nobody looks at it, and cursors
    "cursor_to_xml", "cursor_to_xmlschema", "query_to_xml", "query_to_xml_and_xmlschema",
    "query_to_xmlschema"};

}  // namespace

bool has_effects(std::string_view function) noexcept {
  return std::ranges::find(kFunctions, function) != std::end(kFunctions) ||
         std::ranges::any_of(kFamilies,
                             [&](std::string_view family) { return function.starts_with(family); });
}

}  // namespace querymark::postgres
