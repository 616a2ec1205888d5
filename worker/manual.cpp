#include "manual.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <vector>

#include "exit_code.hpp"

namespace querymark::cli {
namespace {

// roff takes a dot or an apostrophe at the begin of a line for a request, and a hyphen for one that
// may be typeset as another letter.
std::string roff(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n'))
      out += std::string("\\&") + c;
    else
      out += c;
  }
  return out;
}

// In single quotes of a shell.
std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + '\'';
}

std::vector<const CLI::Option*> options_of(const CLI::App& app) {
  std::vector<const CLI::Option*> options;
  for (const CLI::Option* option : app.get_options()) options.push_back(option);
  return options;
}

std::string long_name(const CLI::Option& option) {
  return option.get_lnames().empty() ? "" : "--" + option.get_lnames().front();
}

bool takes_value(const CLI::Option& option) { return option.get_items_expected_max() > 0; }

std::string words_of(const CLI::App& app) {
  std::vector<std::string> words;
  for (const CLI::App* command : shown_commands(app)) words.push_back(command->get_name());
  for (const CLI::Option* option : options_of(app))
    if (const std::string name = long_name(*option); !name.empty()) words.push_back(name);
  return fmt::format("{}", fmt::join(words, " "));
}

// Each command within `app`, with the words that lead to it.
void walk(const CLI::App& app, const std::string& path,
          const std::function<void(const CLI::App&, const std::string&)>& visit) {
  for (const CLI::App* command : shown_commands(app)) {
    const std::string inner = path.empty() ? command->get_name() : path + ' ' + command->get_name();
    visit(*command, inner);
    walk(*command, inner, visit);
  }
}

std::string manual_options(const CLI::App& app) {
  std::string out;
  for (const CLI::Option* option : options_of(app)) {
    const std::string name = long_name(*option);
    out += fmt::format(".TP\n\\fB{}\\fR{}\n{}{}\n", roff(name.empty() ? option->get_name() : name),
                       !name.empty() && takes_value(*option) ? " \\fIVALUE\\fR" : "",
                       roff(option->get_description()),
                       option->get_default_str().empty()
                           ? ""
                           : roff(" (default: " + option->get_default_str() + ')'));
  }
  return out;
}

}  // namespace

std::vector<const CLI::App*> shown_commands(const CLI::App& app) {
  std::vector<const CLI::App*> shown;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    if (!command->get_group().empty()) shown.push_back(command);
  return shown;
}

std::string manual_page(const CLI::App& app, const std::string& version) {
  std::string out = fmt::format(
      ".TH QUERYMARK 1 \"\" \"querymark {}\" \"User Commands\"\n.SH NAME\n"
      "querymark \\- {}\n.SH SYNOPSIS\n.B querymark\n\\fICOMMAND\\fR [\\fIOPTIONS\\fR]\n"
      ".SH OPTIONS\n{}.SH COMMANDS\n",
      version, roff(app.get_description()), manual_options(app));
  walk(app, "", [&](const CLI::App& command, const std::string& path) {
    out += fmt::format(".SS querymark {}\n{}\n{}", roff(path), roff(command.get_description()),
                       manual_options(command));
  });
  return out + fmt::format(
                   ".SH ENVIRONMENT\n.TP\n\\fBQUERYMARK_DB\\fR\nThe database, where neither "
                   "\\-\\-db nor \\-\\-db\\-file is given.\n.TP\n"
                   "\\fBQUERYMARK_FEED_KEYS\\fR\nA file of keys by which a worker seals what it "
                   "hands on through a Redis server, where neither \\-\\-feed\\-keys nor its "
                   "configuration file names one.\n.TP\n"
                   "\\fBQUERYMARK_TIER_KEYS\\fR\nA file of keys with which the values of a shared "
                   "tier are sealed, for reconcile, where \\-\\-tier\\-keys is not given.\n.SH "
                   "EXIT STATUS\n{}\n",
                   roff(kExitCodes));
}

std::string bash_completion(const CLI::App& app) {
  std::string out =
      "# bash completion of querymark\n_querymark() {\n"
      "  local word path= words=\n"
      "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
      "    case \"$path $word\" in\n";
  std::string paths;
  std::string lists = fmt::format("    '') words={} ;;\n", quoted(words_of(app)));
  walk(app, "", [&](const CLI::App& command, const std::string& path) {
    paths += fmt::format("{}{}", paths.empty() ? "" : " | ", quoted(' ' + path));
    lists += fmt::format("    {}) words={} ;;\n", quoted(' ' + path), quoted(words_of(command)));
  });
  out += "      " + paths + ") path=\"$path $word\" ;;\n    esac\n  done\n  case \"$path\" in\n" +
         lists +
         "  esac\n  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- "
         "\"${COMP_WORDS[COMP_CWORD]}\")\n}\ncomplete -o default -F _querymark querymark\n";
  return out;
}

std::string zsh_completion(const CLI::App& app) {
  std::string out =
      "#compdef querymark\n_querymark() {\n"
      "  local word path=\n  local -a words_here\n"
      "  for word in \"${(@)words[2,CURRENT-1]}\"; do\n"
      "    case \"$path $word\" in\n";
  std::string paths;
  std::string lists = fmt::format("    ('') words_here=({}) ;;\n", words_of(app));
  walk(app, "", [&](const CLI::App& command, const std::string& path) {
    paths += fmt::format("{}{}", paths.empty() ? "" : "|", quoted(' ' + path));
    lists += fmt::format("    ({}) words_here=({}) ;;\n", quoted(' ' + path), words_of(command));
  });
  return out + "      (" + paths +
         ") path=\"$path $word\" ;;\n    esac\n  done\n  case \"$path\" in\n" + lists +
         "  esac\n  compadd -- $words_here || _files\n}\n_querymark \"$@\"\n";
}

std::string fish_completion(const CLI::App& app) {
  std::string out = "# fish completion of querymark\n";
  const auto list = [&](const CLI::App& command, const std::string& condition) {
    for (const CLI::App* inner : shown_commands(command))
      out += fmt::format("complete -c querymark -f -n {} -a {} -d {}\n", quoted(condition),
                         inner->get_name(), quoted(inner->get_description()));
    for (const CLI::Option* option : options_of(command))
      if (const std::string name = long_name(*option); !name.empty())
        out += fmt::format("complete -c querymark -n {} -l {}{} -d {}\n", quoted(condition),
                           name.substr(2), takes_value(*option) ? " -r" : "",
                           quoted(option->get_description()));
  };
  list(app, "__fish_use_subcommand");
  walk(app, "", [&](const CLI::App& command, const std::string& path) {
    std::string condition;
    for (std::size_t at = 0; at <= path.size();) {
      const std::size_t end = std::min(path.find(' ', at), path.size());
      condition += (condition.empty() ? "" : "; and ") +
                   std::string("__fish_seen_subcommand_from ") + path.substr(at, end - at);
      at = end + 1;
    }
    list(command, condition);
  });
  return out;
}

}  // namespace querymark::cli
