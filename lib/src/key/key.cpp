#include "querymark/key/key.hpp"

#include "querymark/observe/query_table.hpp"
#include "querymark/support/error.hpp"
#include "querymark/support/random.hpp"

namespace querymark {
namespace {

constexpr char kKeyVersion = 1;

void put_checked_block(std::string& sink, ByteView bytes) {
  if (bytes.size() > std::numeric_limits<std::uint32_t>::max())
    throw ConfigError("a part of a key of 4 GiB or more can't be encoded");
  detail::put_block(sink, bytes);
}

}  // namespace

void detail::refuse_huge_parameter() {
  throw ConfigError("a parameter of 4 GiB or more can't be bound");
}

void KeyPrefix::encode(std::string& sink, std::string_view stored_type, Form form,
                       const Scope& scope, std::string_view text) {
  sink.push_back(kKeyVersion);
  put_checked_block(sink, stored_type);
  sink.push_back(static_cast<char>(form));
  for (const std::string* part :
       {&scope.namespace_name, &scope.database, &scope.session, &scope.caller})
    put_checked_block(sink, *part);
  put_checked_block(sink, text);
}

KeyPrefix::KeyPrefix(std::string_view stored_type, Form form, const Scope& scope,
                     std::string_view text)
    : form_(form), record_(&QueryRecord::nobodys()) {
  encode(bytes_, stored_type, form, scope, text);
  constexpr std::size_t kLength = sizeof(std::uint32_t);
  query_offset_ = 1 + kLength + stored_type.size();
  database_offset_ = query_offset_ + 1 + kLength + scope.namespace_name.size();
  session_end_ =
      database_offset_ + kLength + scope.database.size() + kLength + scope.session.size();
  text_offset_ = bytes_.size() - text.size();
  static const std::uint64_t secret = random_u64() | 1U;
  seed_ = {.hash = process_hash(bytes_), .secret = secret};
}

bool KeyPrefix::add_reference_if_alive() const noexcept {
  std::size_t seen = references_.load(std::memory_order_relaxed);
  while (seen != 0)
    if (references_.compare_exchange_weak(seen, seen + 1, std::memory_order_relaxed)) return true;
  return false;
}

void KeyPrefix::destroy() const noexcept {
  const std::shared_ptr<Owner> owner = owner_;  // may be its last user
  if (owner) owner->forget(*this);
  delete this;
}

Digest query_name(const KeyView& key) {
  return sha256({"querymark-key-v1", key.prefix->query_bytes(), key.parameters});
}

namespace {

// Apart from query_name's by its first part, so that neither can pass for the other.
Digest name_in_any_session(const KeyView& key) {
  return sha256({"querymark-key-target-v2", key.prefix->before_database(),
                 key.prefix->after_session(), key.parameters});
}

}  // namespace

Target key_target(const KeyView& key) {
  return key.prefix->form() == KeyPrefix::Form::named ? key_named(key.prefix->text())
                                                      : key_of(name_in_any_session(key));
}

}  // namespace querymark
