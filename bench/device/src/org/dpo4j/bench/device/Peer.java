package org.dpo4j.bench.device;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Another library's operations in a Python process of their own, {@code bench/peers/gpu.py}, which takes its turns when told: a JSON object a line
 * each way. It warms up, passes a gate of its own and times itself by the same protocol.
 */
final class Peer implements AutoCloseable {
    /** Who is asked, in this order. */
    static final List<String> NAMES = List.copyOf(Counterparts.BY_PEER.keySet());

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String END = "";

    /** Why a peer, or one of its benchmarks, did not run. */
    static final class Absent extends Exception {
        Absent(String reason) {
            super(reason);
        }

        String reason() {
            return String.valueOf(getMessage());
        }
    }

    private final String name;
    private final Process process;
    private final BufferedWriter input;
    private final BlockingQueue<String> lines = new LinkedBlockingQueue<>();
    private final List<String> complaints = new ArrayList<>();
    private final Thread errors;
    private final double patience;
    private JsonNode hello = JSON.createObjectNode();

    private Peer(String name, Process process, double patience) {
        this.name = name;
        this.process = process;
        this.patience = patience;
        input = new BufferedWriter(new OutputStreamWriter(process.getOutputStream(), StandardCharsets.UTF_8));
        reader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8), true);
        errors = reader(new InputStreamReader(process.getErrorStream(), StandardCharsets.UTF_8), false);
    }

    private Thread reader(InputStreamReader stream, boolean answers) {
        Thread thread = new Thread(
                () -> {
                    try (BufferedReader reader = new BufferedReader(stream)) {
                        reader.lines().forEach(line -> {
                            if (answers) {
                                lines.add(line);
                            } else if (!line.isBlank()) {
                                complain(line.strip());
                            }
                        });
                    } catch (IOException | java.io.UncheckedIOException e) {
                        complain(String.valueOf(e.getMessage()));
                    }
                    if (answers) {
                        lines.add(END);
                    }
                },
                "peer " + name);
        thread.setDaemon(true);
        thread.start();
        return thread;
    }

    private synchronized void complain(String line) {
        complaints.add(line);
    }

    private synchronized String lastComplaint() {
        return complaints.isEmpty() ? "" : ": " + complaints.get(complaints.size() - 1);
    }

    /**
     * Starts one, and waits until it has loaded what it needs.
     *
     * @param script gpu.py
     * @param folder with wheels or packages, which come first; or null
     * @param patience seconds to wait for an answer
     */
    static Peer start(
            String name,
            Path script,
            @Nullable Path folder,
            String device,
            Map<String, String> environment,
            double patience)
            throws Absent {
        Path python = Programs.find("python3", environment);
        if (python == null) {
            throw new Absent("python3 is not on PATH");
        }
        List<String> command =
                new ArrayList<>(List.of(python.toString(), script.toString(), "--peer", name, "--device", device));
        if (folder != null) {
            command.addAll(List.of("--peers", folder.toString()));
        }
        try {
            Peer peer = new Peer(name, new ProcessBuilder(command).start(), patience);
            try {
                peer.hello = peer.answer();
            } catch (Absent e) {
                peer.close();
                throw e;
            }
            return peer;
        } catch (IOException e) {
            throw new Absent(python + " does not run: " + e.getMessage());
        }
    }

    String name() {
        return name;
    }

    /** Versions of what it runs on. */
    String software() {
        return hello.path("software").asText();
    }

    /** Whether it has a counterpart of this benchmark. */
    boolean has(String benchmark) {
        for (JsonNode each : hello.path("benchmarks")) {
            if (each.asText().equals(benchmark)) {
                return true;
            }
        }
        return false;
    }

    /** Makes its tensors, passes its gate and warms up; what it says of itself. */
    JsonNode prepare(String benchmark, Shape shape, Pace pace) throws Absent {
        ObjectNode request = JSON.createObjectNode().put("do", "prepare").put("benchmark", benchmark);
        request.put("block_seconds", pace.blockSeconds());
        shape.parameters().forEach(request.putObject("parameters")::put);
        return ask(request);
    }

    /** Its turn: microseconds of a call. */
    Rounds.Contender contender(int calls) {
        return new Rounds.Contender() {
            @Override
            public double microseconds() {
                try {
                    return ask(JSON.createObjectNode().put("do", "round"))
                            .path("us")
                            .asDouble();
                } catch (Absent e) {
                    throw new Ended(e);
                }
            }

            @Override
            public int calls() {
                return calls;
            }
        };
    }

    /** It ended in the middle of its rounds. */
    static final class Ended extends RuntimeException {
        Ended(Absent reason) {
            super(reason.reason(), reason);
        }
    }

    void release() throws Absent {
        ask(JSON.createObjectNode().put("do", "release"));
    }

    private JsonNode ask(ObjectNode request) throws Absent {
        try {
            input.write(request.toString());
            input.newLine();
            input.flush();
        } catch (IOException e) {
            throw ended();
        }
        return answer();
    }

    private Absent ended() {
        try {
            errors.join(1000); // its last words
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        return new Absent(name + " ended" + lastComplaint());
    }

    private JsonNode answer() throws Absent {
        String line;
        try {
            line = lines.poll((long) (patience * 1e3), TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new Absent("interrupted");
        }
        if (line == null) {
            process.destroyForcibly();
            throw new Absent(name + " gave no answer for " + (long) patience + " s");
        }
        if (line.equals(END)) {
            lines.add(END);
            throw ended();
        }
        try {
            JsonNode answer = JSON.readTree(line);
            if (!answer.path("ok").asBoolean()) {
                throw new Absent(answer.path("reason").asText("no reason given"));
            }
            return answer;
        } catch (JsonProcessingException e) {
            throw new Absent(name + " answers no JSON: " + line);
        }
    }

    @Override
    public void close() {
        try {
            input.close(); // the end of its input is its end
            if (!process.waitFor(5, TimeUnit.SECONDS)) {
                process.destroyForcibly();
            }
        } catch (IOException e) {
            process.destroyForcibly();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            process.destroyForcibly();
        }
    }
}
