#include "querymark/read/read_request.hpp"

namespace querymark {

std::vector<LoadAnswer> ReadRequest::load_together(std::span<const LoadTogether> wanted) {
  std::vector<LoadAnswer> answers;
  answers.reserve(wanted.size());
  for (const LoadTogether& one : wanted) {
    try {
      answers.emplace_back(one.request->load(*one.init));
    } catch (...) {  // it concerns this one alone
      answers.emplace_back(std::current_exception());
    }
  }
  return answers;
}

}  // namespace querymark
