package org.dpo4j.examples;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.spi.ToolProvider;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.dpo4j.model.Model;
import org.dpo4j.model.TestJvm;
import org.dpo4j.model.family.Llama;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Compiles and runs a program of another project against the jars on the module path, without options such as {@code
 * --add-reads}.
 */
class ConsumerTest {
    private static final Path ROOT = Path.of(System.getenv("DPO4J_ROOT"));
    private static final String MAIN = "com.example.consumer/com.example.consumer.Consumer";

    @TempDir
    private Path directory;

    private List<Path> jars;

    /**
     * Finds the jars of this build. If the build has not made them yet, the class path has classes instead, and the
     * tests are skipped.
     */
    @BeforeEach
    void jars() throws IOException {
        Path trainer = Arrays.stream(System.getProperty("java.class.path").split(File.pathSeparator))
                .filter(entry ->
                        entry.startsWith(ROOT.resolve("java/trainer/target").toString()))
                .map(Path::of)
                .findFirst()
                .orElseThrow();
        assumeTrue(Files.isRegularFile(trainer), "no jars in this build: run it to the phase package or later");
        jars = new ArrayList<>(List.of(trainer));
        try (Stream<Path> others = Files.list(ROOT.resolve("java/trainer/target/lib"))) {
            others.filter(file -> file.toString().endsWith(".jar")).forEach(jars::add);
        }
    }

    @Test
    void embedsKernelsAndTrainsOnTheModulePath() throws IOException, InterruptedException {
        Path classes = compileConsumer();
        writeModel(directory.resolve("model"));
        Files.writeString(
                directory.resolve("pairs.jsonl"),
                "{\"prompt\":\"a\",\"chosen\":\" b c\",\"rejected\":\" d\"}\n".repeat(8));
        Path out = directory.resolve("out");
        List<String> arguments = Stream.of(directory.resolve("model"), directory.resolve("pairs.jsonl"), out)
                .map(Path::toString)
                .toList();
        Run run = java(with(classes), MAIN, arguments);
        assertThat(run.status()).as(run.printed()).isZero();
        assertThat(EmbedKernelsOutput.check(run.printed())).contains("the model is in " + out);
        assertThat(out.resolve("model.safetensors")).exists();
    }

    /**
     * Runs a command through the module's main class. Picocli and Jackson reflect on the module, and both native
     * libraries are loaded.
     */
    @Test
    void doctorRunsOnTheModulePath() throws IOException, InterruptedException {
        Run run = java(jars, "org.dpo4j.trainer", List.of("doctor", "--json"));
        assertThat(run.status()).as(run.printed()).isZero();
        JsonNode report = new ObjectMapper().readTree(run.printed());
        assertThat(jars.get(0).getFileName())
                .hasToString("dpo4j-trainer-" + report.path("version").asText() + ".jar");
        assertThat(report.path("cpu").path("usable").asBoolean()).isTrue();
        assertThat(report.path("tokenizers").path("usable").asBoolean()).isTrue();
        assertThat(report.path("versions").fieldNames()).toIterable().contains("JavaCPP", "CUDA preset", "oneDNN");
    }

    @Test
    void theErrorNamesTheMissingNativeJar() throws IOException, InterruptedException {
        List<Path> path = with(compileConsumer());
        path.removeIf(jar -> jar.getFileName().toString().matches("dpo4j-kernels-.*-linux-x86_64[.]jar"));
        Run run = java(path, MAIN, List.of());
        assertThat(run.status()).isEqualTo(1);
        assertThat(run.printed())
                .contains("the native library is not on the class path or module path: add org.dpo4j:dpo4j-kernels:")
                .contains(":linux-x86_64");
    }

    @Test
    void internalPackagesAreNotVisible() throws IOException {
        String source = "package com.example.consumer; class Inside { org.dpo4j.kernels.internal.Native calls; "
                + "org.dpo4j.cli.Main commands; }";
        String errors = compile(List.of(
                ROOT.resolve("tests/consumer/module-info.java"),
                Files.writeString(directory.resolve("Inside.java"), source)));
        assertThat(errors.lines().filter(line -> line.contains("error:")))
                .hasSize(2)
                .allSatisfy(line -> assertThat(line).contains("is not visible"));
    }

    private Path compileConsumer() throws IOException {
        List<Path> sources = new ArrayList<>(List.of(
                ROOT.resolve("tests/consumer/module-info.java"),
                ROOT.resolve("tests/consumer/com/example/consumer/Consumer.java")));
        for (String example : List.of("EmbedKernels.java", "TrainDpo.java")) {
            // Classes of a module must be in a package.
            String program = Files.readString(ROOT.resolve("examples").resolve(example));
            sources.add(Files.writeString(directory.resolve(example), "package com.example.consumer;\n" + program));
        }
        assertThat(compile(sources)).isEmpty();
        return directory.resolve("classes");
    }

    /** Output of the compiler: errors and all warnings, except those about paths and automatic modules. */
    private String compile(List<Path> sources) {
        List<String> arguments = new ArrayList<>(List.of(
                "-Xlint:all,-path,-requires-automatic", "-proc:none", "--release", "17", "-p", path(jars), "-d"));
        arguments.add(directory.resolve("classes").toString());
        sources.forEach(source -> arguments.add(source.toString()));
        StringWriter said = new StringWriter();
        PrintWriter writer = new PrintWriter(said);
        ToolProvider.findFirst("javac").orElseThrow().run(writer, writer, arguments.toArray(new String[0]));
        return said.toString();
    }

    /** A model whose tokenizer has letters as tokens. */
    private static void writeModel(Path model) throws IOException {
        try (Device device = Devices.cpu(1);
                Model random = Model.create(Llama.config(8, 16, 24, 1, 2, 1, 64, true), device, DType.F32, 3)) {
            random.save(model, DType.F32);
        }
        List<String> tokens = List.of("?", "a", "b", "c", "d", "</s>");
        Map<String, Integer> ids =
                IntStream.range(0, tokens.size()).boxed().collect(Collectors.toMap(tokens::get, id -> id));
        ObjectMapper json = new ObjectMapper();
        json.writeValue(
                model.resolve("tokenizer.json").toFile(),
                Map.of(
                        "pre_tokenizer",
                        Map.of("type", "WhitespaceSplit"),
                        "added_tokens",
                        List.of(),
                        "model",
                        Map.of("type", "WordLevel", "vocab", ids, "unk_token", "?")));
        json.writeValue(model.resolve("tokenizer_config.json").toFile(), Map.of("eos_token", "</s>"));
    }

    private List<Path> with(Path classes) {
        List<Path> path = new ArrayList<>(jars);
        path.add(classes);
        return path;
    }

    private static String path(List<Path> entries) {
        return String.join(
                File.pathSeparator, entries.stream().map(Path::toString).toList());
    }

    private record Run(int status, String printed) {}

    private Run java(List<Path> modulePath, String module, List<String> arguments)
            throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(
                List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString()));
        command.addAll(TestJvm.SHORT_LIVED);
        command.addAll(List.of(
                "-Dorg.bytedeco.javacpp.cachedir=" + System.getProperty("org.bytedeco.javacpp.cachedir"),
                "-p",
                path(modulePath),
                "-m",
                module));
        command.addAll(arguments);
        Path output = directory.resolve("output.txt");
        int status = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(output.toFile())
                .start()
                .waitFor();
        return new Run(status, Files.readString(output));
    }
}
