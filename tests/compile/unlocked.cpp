// Must not compile under -Wthread-safety -Werror: it reads what a mutex guards without holding it.
#include "querymark/support/mutex.hpp"

class Guarded {
 public:
  int locked() {
    const querymark::MutexLock lock(mutex_);
    return value_;
  }
#ifdef QUERYMARK_VIOLATE
  int unlocked() { return value_; }
#endif

 private:
  querymark::Mutex mutex_;
  int value_ QUERYMARK_GUARDED_BY(mutex_) = 0;
};

int main() { return Guarded().locked(); }
