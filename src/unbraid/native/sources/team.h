// Threads that share the work of one call. They last as long as the call.

#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "native.h"
#include "room.h"

#define MOST_THREADS 32

// One of `count` pieces of work; `scratch` is the thread's own.
typedef void Task(const void* context, int index, Room* scratch);

typedef struct {
    Room room;  // of what outlives a task
    Room scratch[MOST_THREADS];
    int threads;
    // Threads at work on all calls that share this number, which is theirs; a helper works only while there are fewer
    // than `threads`.
    atomic_int* busy;
    double* seconds;  // of each part, see native.h; NULL: not asked for
    int part;
    double since;
    // What follows is for the threads.
    pthread_t helpers[MOST_THREADS];
    int started, helping;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    atomic_uint round;  // counts pieces of work given out
    atomic_int next, joined;
    bool open, ending;
    Task* task;
    const void* context;
    int count;
} Team;

// Start the helpers that can be had: with the calling thread `threads`, which are at most MOST_THREADS. Everything
// else in `team` is zero, or set beforehand.
void begin(Team* team, int threads);

void end(Team* team);

// Do all of `count` tasks, in any order, and return when they are done. `team` may be NULL: by this thread alone,
// without scratch. Where the team measures, only the first task is done, which has to take as much as any.
void share(Team* team, Task* task, const void* context, int count);

// The time up to now belongs to the part before.
void enter(Team* team, int part);
