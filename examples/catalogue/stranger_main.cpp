// A session that has never heard of querymark: it runs the SQL that it reads, line by line, and says
// "ok" or what was wrong. The commands sqlite3 and psql do no more; of these the demo needs neither.

#include <exception>
#include <iostream>

#include "stranger_session.hpp"

namespace {

// In one line.
std::string flat(std::string text) {
  for (char& c : text)
    if (c == '\n') c = ' ';
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: catalogue_stranger sqlite:PATH | postgresql://…\n";
    return 2;
  }
  try {
    const catalogue::Session run = catalogue::stranger_session(argv[1]);
    for (std::string line; std::getline(std::cin, line);) {
      try {
        run(line);
        std::cout << "ok" << std::endl;
      } catch (const std::exception& failure) {
        std::cout << flat(failure.what()) << std::endl;
      }
    }
    return 0;
  } catch (const std::exception& failure) {
    std::cout << flat(failure.what()) << std::endl;
    return 1;
  }
}
