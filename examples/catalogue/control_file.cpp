#include "control_file.hpp"

#include <sys/types.h>

#include <charconv>
#include <cstdlib>

namespace catalogue {
namespace {

std::string_view trimmed(std::string_view text) {
  const auto from = text.find_first_not_of(" \t\r\n");
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(" \t\r\n") - from + 1);
}

std::string* text_field(PackageRecord& record, std::string_view key) {
  if (key == "Package") return &record.name;
  if (key == "Version") return &record.version;
  if (key == "Section") return &record.section;
  if (key == "Maintainer") return &record.maintainer;
  if (key == "Depends") return &record.depends;
  if (key == "Pre-Depends") return &record.pre_depends;
  if (key == "Recommends") return &record.recommends;
  if (key == "Suggests") return &record.suggests;
  return nullptr;
}

std::int64_t* number_field(PackageRecord& record, std::string_view key) {
  if (key == "Size") return &record.size;
  if (key == "Installed-Size") return &record.installed_size;
  return nullptr;
}

}  // namespace

ControlReader::~ControlReader() { std::free(buffer_); }

bool ControlReader::line(std::string_view& text) {
  const ssize_t length = getline(&buffer_, &capacity_, stream_);
  if (length < 0) return false;
  text = {buffer_, static_cast<std::size_t>(length)};
  if (text.ends_with('\n')) text.remove_suffix(1);
  return true;
}

bool ControlReader::next(PackageRecord& record) {
  record = {};
  std::string* open = nullptr;  // the field that continuation lines belong to
  std::string_view text;
  while (line(text)) {
    if (trimmed(text).empty()) {  // ends a stanza
      if (!record.name.empty() && !record.version.empty()) return true;
      record = {};
      open = nullptr;
      continue;
    }
    if (text.front() == ' ' || text.front() == '\t') {
      if (open != nullptr) open->append(" ").append(trimmed(text));
      continue;
    }
    const auto colon = text.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string_view key = text.substr(0, colon);
    const std::string_view value = trimmed(text.substr(colon + 1));
    open = text_field(record, key);
    if (open != nullptr)
      open->assign(value);
    else if (std::int64_t* number = number_field(record, key))
      std::from_chars(value.data(), value.data() + value.size(), *number);
  }
  return !record.name.empty() && !record.version.empty();
}

std::vector<std::string_view> names_in_relation(std::string_view field) {
  std::vector<std::string_view> names;
  while (!field.empty()) {
    const auto end = field.find_first_of(",|");
    std::string_view one = trimmed(field.substr(0, end));
    one = one.substr(0, one.find_first_of(" (:[<"));
    if (!one.empty()) names.push_back(one);
    field = end == std::string_view::npos ? std::string_view() : field.substr(end + 1);
  }
  return names;
}

}  // namespace catalogue
