#include "session.hpp"

#include <algorithm>
#include <array>

#include "querymark/postgres/types.hpp"
#include "querymark/support/ascii.hpp"
#include "querymark/support/digest.hpp"
#include "querymark/support/error.hpp"

namespace querymark::postgres {

SettingList settings_of(const SessionPins& pins) {
  SettingList list;
  const auto add = [&](const char* name, const std::optional<std::string>& value) {
    if (value) list.add(name, *value);
  };
  add("role", pins.role);
  add("search_path", pins.search_path);
  add("TimeZone", pins.time_zone);
  add("DateStyle", pins.date_style);
  add("IntervalStyle", pins.interval_style);
  for (const auto& [name, value] : pins.settings) list.add(name, value);
  list.add("bytea_output", "hex");
  list.add("default_transaction_isolation", "read committed");
  list.add("default_transaction_deferrable", "off");
  list.add("default_transaction_read_only", "on");
  return list;
}

std::vector<std::string> custom_names(std::string_view options) {
  std::vector<std::string> names;
  std::string word;
  const auto take = [&] {
    const std::size_t equals = word.find('=');
    std::size_t begin = 0;
    if (word.starts_with("--") || word.starts_with("-c")) begin = 2;
    if (equals != std::string::npos && equals > begin) {
      std::string name = word.substr(begin, equals - begin);
      std::ranges::replace(name, '-', '_');  // as the server does
      if (is_custom_setting(name)) names.push_back(std::move(name));
    }
    word.clear();
  };
  for (std::size_t at = 0; at < options.size(); ++at) {
    if (options[at] == '\\' && at + 1 < options.size())
      word += options[++at];
    else if (ascii::is_blank(options[at]))
      take();
    else
      word += options[at];
  }
  take();
  return names;
}

std::vector<std::string> customs_set_by(std::string_view sql) {
  const auto is_part = [](char c) {
    return ascii::is_letter(c) || ascii::is_digit(c) || c == '_' || c == '$' || c == '.';
  };
  std::vector<std::string> names;
  std::string before;  // the word before
  for (std::size_t at = 0; at < sql.size();) {
    const std::size_t begin = at;
    while (at < sql.size() && is_part(sql[at])) ++at;
    if (at == begin) {
      if (!ascii::is_blank(sql[at])) before.assign(sql[at] == '\'' ? 1 : 0, '\'');
      ++at;
      continue;
    }
    const std::string word = ascii::to_lower(sql.substr(begin, at - begin));
    const std::size_t dot = word.find('.');
    const bool behind =
        before == "'" || before == "set" || before == "local" || before == "session";
    if (behind && dot != std::string::npos && dot > 0 && dot + 1 < word.size() &&
        !ascii::is_digit(word[0]))
      names.push_back(word);
    before = word;
  }
  return names;
}

bool reads_settings(std::string_view sql) {
  const std::string lower = ascii::to_lower(sql);
  // The last: an identifier that hides its letters.
  return std::ranges::any_of(
      std::array<std::string_view, 4>{"current_setting", "pg_settings", "pg_show_all_settings",
                                      "u&\""},
      [&](std::string_view word) { return lower.find(word) != std::string::npos; });
}

SessionState::SessionState(const ResultSet& answer) {
  for (std::size_t i = 0; i < answer.size(); ++i) {
    const Row row = answer.row(i);
    if (i == 0) {
      customs = row["customs"].as<std::vector<std::string>>();
      spoken = row["spoken"].as<std::vector<std::string>>();
      opaque = row["opaque"].as<bool>();
    }
    settings_.push_back({row["name"].as<std::string>(), row["value"].as<std::string>(),
                         row["standing"].as<bool>()});
  }
  std::ranges::sort(settings_, {}, &Setting::name);
}

std::string SessionState::key() const {
  std::string all;
  for (const Setting& setting : settings_)
    for (const std::string* part : {&setting.name, &setting.value})
      all += std::to_string(part->size()) + ':' + *part;
  return sha256({"querymark session", all}).hex();
}

std::string SessionState::difference(const SessionState& now) const {
  // A custom setting's value may be a secret.
  const auto shown = [](const Setting& setting) {
    return setting.standing ? '"' + setting.value + '"' : "another value";
  };
  std::string text;
  const auto say = [&](const std::string& name, const std::string& was, const std::string& is) {
    text += (text.empty() ? "" : ", ") + name + " was " + was + " and is " + is;
  };
  const auto find = [](const std::vector<Setting>& all, const std::string& name) {
    const auto found = std::ranges::find(all, name, &Setting::name);
    return found == all.end() ? nullptr : &*found;
  };
  for (const Setting& setting : settings_) {
    const Setting* other = find(now.settings_, setting.name);
    if (other == nullptr)
      say(setting.name, shown(setting), "not set");
    else if (other->value != setting.value)
      say(setting.name, shown(setting), shown(*other));
  }
  for (const Setting& setting : now.settings_)
    if (find(settings_, setting.name) == nullptr) say(setting.name, "not set", shown(setting));
  return text;
}

SettingList SessionState::pinned(const SettingList& by_options) const {
  SettingList list;
  for (const Setting& setting : settings_)
    if (setting.standing) list.add(setting.name, setting.value);
  for (std::size_t i = 0; i < by_options.names.size(); ++i)
    list.add(by_options.names[i], by_options.values[i]);
  return list;
}

std::vector<std::string> SessionState::names() const {
  std::vector<std::string> names = customs;
  for (const Setting& setting : settings_) names.push_back(setting.name);
  return names;
}

}  // namespace querymark::postgres
