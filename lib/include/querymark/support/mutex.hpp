#pragma once  // For writers of ports.

#include <mutex>
#include <shared_mutex>

// Mutexes whose use Clang checks (-Wthread-safety): which field is guarded by which mutex, and
// which function needs it held, stands in the code and is proved at compile time. Other compilers
// see std::mutex and nothing else.

#if defined(__clang__)
#define QUERYMARK_THREAD_SAFETY(attribute) __attribute__((attribute))
#else
#define QUERYMARK_THREAD_SAFETY(attribute)
#endif

/// A field that may be used only while the mutex is held.
#define QUERYMARK_GUARDED_BY(mutex) QUERYMARK_THREAD_SAFETY(guarded_by(mutex))
/// A function, or a lambda, whose caller holds the mutex.
#define QUERYMARK_REQUIRES(...) QUERYMARK_THREAD_SAFETY(requires_capability(__VA_ARGS__))
#define QUERYMARK_REQUIRES_SHARED(...) \
  QUERYMARK_THREAD_SAFETY(requires_shared_capability(__VA_ARGS__))
#define QUERYMARK_ACQUIRE(...) QUERYMARK_THREAD_SAFETY(acquire_capability(__VA_ARGS__))
#define QUERYMARK_RELEASE(...) QUERYMARK_THREAD_SAFETY(release_capability(__VA_ARGS__))
#define QUERYMARK_TRY_ACQUIRE(...) QUERYMARK_THREAD_SAFETY(try_acquire_capability(__VA_ARGS__))
/// A function that returns a reference to the mutex.
#define QUERYMARK_RETURNS(mutex) QUERYMARK_THREAD_SAFETY(lock_returned(mutex))
/// A function that the analysis can't follow; a comment beside it says what holds instead.
#define QUERYMARK_UNCHECKED QUERYMARK_THREAD_SAFETY(no_thread_safety_analysis)

namespace querymark {

/// std::mutex, known to the analysis.
class QUERYMARK_THREAD_SAFETY(capability("mutex")) Mutex : public std::mutex {
 public:
  void lock() QUERYMARK_ACQUIRE() { std::mutex::lock(); }
  void unlock() QUERYMARK_RELEASE() { std::mutex::unlock(); }
  [[nodiscard]] bool try_lock() QUERYMARK_TRY_ACQUIRE(true) { return std::mutex::try_lock(); }
};

/// std::shared_mutex, known to the analysis.
class QUERYMARK_THREAD_SAFETY(capability("mutex")) SharedMutex : public std::shared_mutex {
 public:
  void lock() QUERYMARK_ACQUIRE() { std::shared_mutex::lock(); }
  void unlock() QUERYMARK_RELEASE() { std::shared_mutex::unlock(); }
  void lock_shared() QUERYMARK_THREAD_SAFETY(acquire_shared_capability()) {
    std::shared_mutex::lock_shared();
  }
  void unlock_shared() QUERYMARK_THREAD_SAFETY(release_shared_capability()) {
    std::shared_mutex::unlock_shared();
  }
};

/// Holds a mutex for a scope, and may let it go in between, as std::unique_lock does.
class QUERYMARK_THREAD_SAFETY(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) QUERYMARK_ACQUIRE(mutex) : lock_(mutex) {}
  /// Takes over a mutex that the caller has locked.
  MutexLock(Mutex& mutex, std::adopt_lock_t adopt) QUERYMARK_REQUIRES(mutex)
      : lock_(mutex, adopt) {}
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;
  ~MutexLock() QUERYMARK_RELEASE() = default;

  void lock() QUERYMARK_ACQUIRE() { lock_.lock(); }
  void unlock() QUERYMARK_RELEASE() { lock_.unlock(); }
  /// What std::condition_variable waits with.
  [[nodiscard]] std::unique_lock<std::mutex>& native() noexcept { return lock_; }

 private:
  std::unique_lock<std::mutex> lock_;
};

/// Holds any other kind of mutex for a scope.
template <class Kind>
class QUERYMARK_THREAD_SAFETY(scoped_lockable) ExclusiveLock {
 public:
  explicit ExclusiveLock(Kind& mutex) QUERYMARK_ACQUIRE(mutex) : mutex_(mutex) { mutex.lock(); }
  ExclusiveLock(const ExclusiveLock&) = delete;
  ExclusiveLock& operator=(const ExclusiveLock&) = delete;
  ~ExclusiveLock() QUERYMARK_RELEASE() { mutex_.unlock(); }

 private:
  Kind& mutex_;
};

/// Holds a SharedMutex for a scope, together with others who do.
class QUERYMARK_THREAD_SAFETY(scoped_lockable) SharedLock {
 public:
  explicit SharedLock(SharedMutex& mutex) QUERYMARK_THREAD_SAFETY(acquire_shared_capability(mutex))
      : mutex_(mutex) {
    mutex.lock_shared();
  }
  SharedLock(const SharedLock&) = delete;
  SharedLock& operator=(const SharedLock&) = delete;
  ~SharedLock() QUERYMARK_THREAD_SAFETY(release_generic_capability()) { mutex_.unlock_shared(); }

 private:
  SharedMutex& mutex_;
};

}  // namespace querymark
