package org.dpo4j.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Tasks run on other threads; their actions run on the calling thread, in order. */
class OrderedTasksTest {
    private static final int TASKS = 5000;

    @Test
    void actionsRunInTheOrderOfTheTasks() {
        Thread caller = Thread.currentThread();
        List<Integer> order = new ArrayList<>();
        try (OrderedTasks tasks = new OrderedTasks(3)) {
            for (int i = 0; i < TASKS; i++) {
                int number = i;
                tasks.add(
                        () -> {
                            assertThat(Thread.currentThread()).isNotSameAs(caller);
                            Thread.yield();
                            return () -> {
                                assertThat(Thread.currentThread()).isSameAs(caller);
                                order.add(number);
                            };
                        },
                        1);
            }
            tasks.finish();
        }
        assertThat(order)
                .containsExactlyElementsOf(IntStream.range(0, TASKS).boxed().toList());
    }

    /** The first group waits for the last task, which is on another thread only if two run at once. */
    @Test
    void groupsRunAtOnce() {
        CountDownLatch last = new CountDownLatch(1);
        AtomicInteger count = new AtomicInteger();
        try (OrderedTasks tasks = new OrderedTasks(2)) {
            tasks.add(
                    () -> {
                        await(last);
                        return count::incrementAndGet;
                    },
                    1 << 20); // a group of its own
            tasks.add(
                    () -> {
                        last.countDown();
                        return count::incrementAndGet;
                    },
                    1 << 20);
            tasks.finish();
        }
        assertThat(count).hasValue(2);
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Large tasks that nobody has collected are limited by size, not only by number. */
    @Test
    void whatWaitsIsLimitedBySize() {
        AtomicInteger collected = new AtomicInteger();
        try (OrderedTasks tasks = new OrderedTasks(64)) {
            for (int i = 0; i < 10; i++) {
                tasks.add(() -> collected::incrementAndGet, 4 << 20);
            }
            assertThat(collected).hasValueGreaterThanOrEqualTo(10 - 4);
            tasks.finish();
        }
        assertThat(collected).hasValue(10);
    }

    /** The actions before a failed task run, those after it do not. */
    @Test
    void theFirstFailureInOrderIsThrown() {
        List<Integer> order = new ArrayList<>();
        assertThatThrownBy(() -> {
                    try (OrderedTasks tasks = new OrderedTasks(4)) {
                        for (int i = 0; i < 1000; i++) {
                            int number = i;
                            tasks.add(
                                    () -> {
                                        if (number >= 700 && number % 2 == 1) {
                                            throw new IllegalArgumentException("task " + number);
                                        }
                                        return () -> order.add(number);
                                    },
                                    1);
                        }
                        tasks.finish();
                    }
                })
                .hasMessage("task 701");
        assertThat(order)
                .containsExactlyElementsOf(IntStream.range(0, 701).boxed().toList());
    }
}
