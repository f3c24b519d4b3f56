package org.dpo4j.model;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.dpo4j.io.FloatFormats;
import org.dpo4j.io.SafeTensors;
import org.dpo4j.io.SafeTensorsHeader;
import org.jspecify.annotations.Nullable;

/**
 * Reads tensors of files and uploads them. Each piece is read into a buffer that stays in the L2 cache and copied from
 * there, so that memory is read once, as page cache, and written once, as weights. On {@code cpu} several threads do
 * this: one thread does not use the memory's bandwidth, because it also clears the pages that it writes for the first
 * time. A CUDA device takes uploads from one thread.
 */
final class TensorUpload {
    /** Elements of a piece: 1 MiB of f32. */
    private static final int PIECE = 1 << 18;

    /** Elements that a thread uploads before it takes the next rows. */
    private static final int TASK = 1 << 22;

    private static final int MAX_THREADS = 4;

    /** A tensor of a file, and where its elements go. */
    record Tensor(Placement placement, SafeTensors file, SafeTensorsHeader.Entry entry) {
        long bytes() {
            return entry.end() - entry.begin();
        }

        void read(long element, ByteBuffer destination) {
            file.read(entry, element * FloatFormats.bytes(entry.dtype()), destination);
        }
    }

    /** Rows [first, end) of a tensor. */
    private record Task(Tensor tensor, int first, int end) {
        long bytes() {
            return (long) (end - first) * tensor.placement.columns().size() * FloatFormats.bytes(tensor.entry.dtype());
        }
    }

    private final Staging.Flat target;
    private final LoadProgress progress;
    private final List<Task> tasks = new ArrayList<>();
    private final long total;
    private final AtomicInteger next = new AtomicInteger();
    private final AtomicLong done = new AtomicLong();
    private final AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();

    TensorUpload(Staging.Flat target, List<Tensor> tensors, LoadProgress progress) {
        this.target = target;
        this.progress = progress;
        for (Tensor tensor : tensors) {
            int rows = Math.max(1, TASK / tensor.placement.columns().size());
            for (int first = 0; first < tensor.placement.rowCount(); first += rows) {
                tasks.add(new Task(tensor, first, Math.min(first + rows, tensor.placement.rowCount())));
            }
        }
        total = tensors.stream().mapToLong(Tensor::bytes).sum();
    }

    /** Uploads all tensors. Throws the first error of a thread, after all have ended. */
    void run() {
        Thread[] others = new Thread[threads() - 1];
        for (int i = 0; i < others.length; i++) {
            others[i] = new Thread(() -> upload(LoadProgress.NONE), "dpo4j-load-" + i);
            others[i].start();
        }
        upload(progress);
        boolean isInterrupted = false;
        for (Thread other : others) {
            isInterrupted |= isInterruptedWhileJoining(other);
        }
        if (isInterrupted) {
            Thread.currentThread().interrupt();
        }
        throwFailure();
        progress.loaded(total, total);
    }

    private int threads() {
        int processors =
                target.device().name().equals("cpu") ? Runtime.getRuntime().availableProcessors() : 1;
        return Math.max(1, Math.min(Math.min(MAX_THREADS, processors), tasks.size()));
    }

    private void throwFailure() {
        Throwable failed = failure.get();
        if (failed instanceof Error error) {
            throw error;
        }
        if (failed instanceof RuntimeException exception) {
            throw exception;
        }
    }

    private void upload(LoadProgress reported) {
        try {
            Staging staging = new Staging(PIECE);
            for (int i = next.getAndIncrement();
                    i < tasks.size() && failure.get() == null;
                    i = next.getAndIncrement()) {
                Task task = tasks.get(i);
                Tensor tensor = task.tensor;
                staging.upload(target, tensor.placement, task.first, task.end, tensor.entry.dtype(), tensor::read);
                long bytes = done.addAndGet(task.bytes());
                if (bytes < total) {
                    reported.loaded(bytes, total);
                }
            }
        } catch (RuntimeException | Error e) {
            failure.compareAndSet(null, e);
        }
    }

    /** Waits until a thread has ended, also if this one is interrupted meanwhile. */
    private static boolean isInterruptedWhileJoining(Thread thread) {
        boolean isInterrupted = false;
        while (true) {
            try {
                thread.join();
                return isInterrupted;
            } catch (InterruptedException e) {
                isInterrupted = true;
            }
        }
    }
}
