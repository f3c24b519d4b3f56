package org.dpo4j.train;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.dpo4j.data.OnBadRow;
import org.dpo4j.data.ReadOptions;
import org.dpo4j.data.RejectedRows;
import org.dpo4j.data.Tokenizer;
import org.dpo4j.data.TruncationMode;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.Adapter;
import org.dpo4j.model.EmbeddingNoise;
import org.dpo4j.model.FourBit;
import org.dpo4j.model.Graphs;
import org.dpo4j.model.LoraConfig;
import org.dpo4j.model.Model;
import org.dpo4j.model.Parameters;
import org.dpo4j.model.SavedDtype;
import org.dpo4j.model.WeightCheck;
import org.dpo4j.report.Metrics;
import org.dpo4j.report.MetricsLog;
import org.dpo4j.report.RunEnd;
import org.dpo4j.report.RunHeader;
import org.dpo4j.report.RunListener;
import org.dpo4j.report.RunStart;
import org.jspecify.annotations.Nullable;

/**
 * Runs a training from files to files. Output directory, device, model, rows, schedule and memory are checked before
 * the first forward pass.
 */
final class TrainRun {

    /**
     * Reads the rows and creates the objective. Adds the numbers of rows used, cut and skipped to the header's facts.
     */
    interface ObjectiveReader {
        Objective read(Model model, ReadOptions options, RunListener listener, Map<String, String> facts);
    }

    private static final String GRAPHS =
            "all launches of a step whose sizes occurred before; of the decoder's passes at most " + Graphs.MAX_GRAPHS
                    + " graphs are kept";

    private static final String KEPT = "kept until backward (gradient_checkpointing false)";

    private static final String RECOMPUTED =
            "the input of each layer is kept, the rest is computed again in backward (gradient_checkpointing true)";

    private static final String DETERMINISTIC =
            "the same files, options and seed give the same weights, bit for bit, on this kind of device, also after a resume";

    private TrainRun() {}

    static List<Metrics> run(TrainOptions options, RunReports reports, ObjectiveReader reader, RunListener given) {
        RunListener listener = reports.with(new InterruptibleListener(given), options);
        Cancellation.check(listener);
        options.report().makeDirectory();
        try (OutputDirectory output = OutputDirectory.prepare(options, listener)) {
            ResumePoint resumed = ResumePoint.find(options);
            options.download(listener);
            Tokenizer.prepare(options.model().tokenizerDirectory()); // while the model is loaded
            options.reference().directory(); // a name that the local cache lacks is refused before rows are read
            return run(options, reports, reader, listener, new Places(output, resumed));
        }
    }

    /** Where a run writes, and from which checkpoint it goes on. */
    private record Places(OutputDirectory output, @Nullable ResumePoint resumed) {}

    private static List<Metrics> run(
            TrainOptions options, RunReports reports, ObjectiveReader reader, RunListener listener, Places places) {
        OutputDirectory output = places.output;
        Map<String, String> facts = new LinkedHashMap<>();
        try (Device device = options.device().open(notice -> facts.put("notice", notice));
                Model model = load(options, device, listener)) {
            addAdapter(model, options);
            requireFinite(model, options);
            requireSavable(model, options);
            describe(options, model, facts);
            MemoryCheck.ofState(model, options)
                    .check(MemoryPlan.ofState(model, options), LogitsMemory.available(device));
            try (Objective objective = read(options, model, reader, output, listener, facts)) {
                Steps steps = new Steps(options, objective.rowTokens());
                ReferencePlan reference =
                        ReferencePlanner.plan(objective, steps, options, ReferenceFiles.onDisk(listener));
                LogitsMemory.choose(objective, () -> MemoryPlan.of(objective, steps, reference, options));
                facts.putAll(objective.facts());
                facts.put("steps", steps + "; " + options.step().schedule(steps.total()));
                facts.put("per step", perStep(options, objective));
                putIfAny(facts, "noise", noise(options, model, objective));
                putIfAny(facts, "reference", reference.fact());
                MemoryPlan memory = MemoryPlan.of(objective, steps, reference, options);
                facts.put("device memory", memory.toString());
                Checkpoints checkpoints = new Checkpoints(
                        model, options, () -> RunIdentity.find(options, objective, reference.weightsHash()), listener);
                Checkpoints.@Nullable Loaded loaded = checkpoints.load(places.resumed, steps.total());
                facts.put("checkpoints", checkpoints.fact(steps));
                checkpoints.best().check(objective);
                if (!checkpoints.best().fact().isEmpty()) {
                    facts.put("best model", checkpoints.best().fact());
                }
                long lines = maxLines(options, steps);
                facts.put(
                        "disk",
                        output.checkSpace(
                                model, options.model().tokenizerDirectory(), lines, checkpoints.bytes(steps)));
                facts.put(
                        "output", output + ": the model, metrics.jsonl" + average(options) + checkpoints.names(steps));
                facts.put("deterministic", DETERMINISTIC);
                listener.header(new RunHeader(facts));
                objective.trainingOverlap().report(objective.unit(), listener);
                MemoryCheck.of(objective, options).check(memory, LogitsMemory.available(device));
                output.reserve(model, options.model().tokenizerDirectory());
                RunStart start = reports.start(options, memory, steps.total());
                return train(
                        options,
                        new Prepared(model, objective, steps, reference, checkpoints, start, loaded),
                        listener,
                        output);
            }
        }
    }

    private static Model load(TrainOptions options, Device device, RunListener listener) {
        DType storage = options.storage(device);
        FourBit fourBit = options.lora().fourBit(storage);
        Path directory = options.model().directory();
        if (options.lora().usePeft || !Model.baseDirectory(directory).equals(directory)) {
            AdapterMerge.requireBaseKept(directory, options.output());
        }
        return Model.load(directory, device, storage, fourBit, new LoadingReport(listener));
    }

    private static void putIfAny(Map<String, String> facts, String name, @Nullable String value) {
        if (value != null) {
            facts.put(name, value);
        }
    }

    /** Rows and mean tokens of a whole step. */
    private static String perStep(TrainOptions options, Objective objective) {
        int[] tokens = objective.rowTokens();
        int rows = Math.min(
                tokens.length, options.step().perDeviceTrainBatchSize * options.step().gradientAccumulationSteps);
        double mean = IntStream.of(tokens).average().orElse(0);
        return String.format(Locale.ROOT, "%,d %s, %,.0f tokens on average", rows, objective.unit(), mean * rows);
    }

    private static String average(TrainOptions options) {
        return options.optimizer().useEma
                ? ", ema: the average of the weights (ema_decay " + options.optimizer().emaDecay
                        + "), which evaluations do not read"
                : "";
    }

    private static @Nullable String noise(TrainOptions options, Model model, Objective objective) {
        EmbeddingNoise noise = options.noise();
        return noise == null
                ? null
                : "up to " + noise.alpha() + " / sqrt(length x "
                        + model.architecture().hiddenSize() + ") on the embeddings of training passes (NEFTune)"
                        + (objective.hasReference()
                                ? "; the reference has none, so rewards of step 1 are not 0, and a sigmoid loss is not ln 2"
                                : "");
    }

    /** Adds a new adapter to the model, if the options ask for one. */
    private static void addAdapter(Model model, TrainOptions options) {
        LoraConfig lora = options.lora().config();
        if (lora == null) {
            if (model.parameters().isFourBit() && model.adapter() == null) {
                throw new Dpo4jException(options.model().directory()
                        + " has 4-bit weights, or load_in_4bit is true, and these cannot be trained; set use_peft to"
                        + " true, to train an adapter");
            }
            if (model.adapter() != null && options.reference().isSynced()) {
                throw new Dpo4jException(
                        "sync_ref_model is true, but " + options.model().directory()
                                + " is an adapter, whose product is not a mean of products; merge it first, or leave"
                                + " sync_ref_model out");
            }
            return;
        }
        if (model.adapter() != null) {
            throw new Dpo4jException("use_peft is true, but " + options.model().directory()
                    + " is an adapter already; leave use_peft out to train it on, or merge it first (./dpo4j merge)");
        }
        model.addAdapter(lora, options.model().adapterBase(), options.seeds().seed());
    }

    private static void requireFinite(Model model, TrainOptions options) {
        @Nullable String found = WeightCheck.firstNotFinite(model.parameters());
        if (found == null && model.adapter() != null) {
            found = WeightCheck.firstNotFinite(model.trained());
        }
        if (found != null) {
            throw new Dpo4jException(options.model().directory() + ": weight " + found
                    + ", in the file or after conversion to "
                    + (model.parameters().dtype() == DType.F32 ? "float32" : "bfloat16")
                    + "; download the model again, or start from another");
        }
    }

    private static void requireSavable(Model model, TrainOptions options) {
        @Nullable String found = model.firstBeyondFloat16(options.output().saveFormat());
        if (found != null) {
            throw new Dpo4jException(options.model().directory() + ": weight " + found + ", beyond "
                    + SavedDtype.FLOAT16_RANGE + ", so the model cannot be saved in it; set save_dtype to float32 or"
                    + " bfloat16");
        }
    }

    /** Maximum number of lines of metrics of a run of these steps. */
    private static long maxLines(TrainOptions options, Steps steps) {
        int total = steps.total();
        return total / options.logging().loggingInterval(total) + 2L + new EvaluationTimes(options, steps).maxLines();
    }

    /** What a run needs, checked. {@code loaded}: the checkpoint that it goes on from, or null. */
    private record Prepared(
            Model model,
            Objective objective,
            Steps steps,
            ReferencePlan reference,
            Checkpoints checkpoints,
            RunStart start,
            Checkpoints.@Nullable Loaded loaded) {}

    private static List<Metrics> train(
            TrainOptions options, Prepared run, RunListener listener, OutputDirectory output) {
        FinalSave last = new FinalSave(run.model, options.model().tokenizerDirectory(), output, listener);
        try (MetricsLog log = output.metrics(listener);
                EvaluationSamples samples = options.samples().generateDuringEval
                        ? new EvaluationSamples(run.model, run.objective, options, listener)
                        : null) {
            RunState state = RunState.begin(run.objective, run.steps, options, run.reference, listener);
            TrainLoop loop = new TrainLoop(state, options, listener, log, run.checkpoints, run.start);
            loop.generate(samples);
            loop.saveAverage(last::saveAverage);
            try {
                List<Metrics> history = train(loop, run, last);
                if (log.hasWaitingLines()) {
                    last.announce(loop.trained());
                }
                loop.end(new RunEnd(RunEnd.Status.COMPLETED, loop.trained(), null));
                return history;
            } catch (RuntimeException | Error e) {
                loop.end(RunReports.end(loop.trained(), e));
                throw e;
            }
        }
    }

    /**
     * Trains the remaining steps and saves the model, also if the run ends early. The model is saved while the last
     * checkpoint is forced to the disk.
     */
    private static List<Metrics> train(TrainLoop loop, Prepared run, FinalSave last) {
        if (run.loaded != null) {
            loop.resume(run.loaded);
        }
        List<Metrics> history;
        try {
            history = loop.run();
        } catch (RuntimeException | Error e) {
            run.checkpoints.awaitAfter(e);
            last.rescue(loop.trained(), e);
            throw e;
        }
        try {
            last.save(loop.trained());
        } catch (RuntimeException | Error e) {
            run.checkpoints.awaitAfter(e);
            throw e;
        }
        try {
            run.checkpoints.await();
        } catch (RuntimeException e) {
            last.announce(loop.trained());
            throw e;
        }
        return history;
    }

    private static Objective read(
            TrainOptions options,
            Model model,
            ObjectiveReader reader,
            OutputDirectory output,
            RunListener listener,
            Map<String, String> facts) {
        int vocabulary = model.architecture().vocabSize();
        int maxLength = options.maxLengthFor(model.architecture());
        try (Tokenizer tokenizer = Tokenizer.find(options.model().tokenizerDirectory(), vocabulary);
                RejectedRows rejected = options.data().onBadRow == OnBadRow.SKIP ? output.rejectedRows() : null) {
            if (tokenizer != null && tokenizer.size() < vocabulary) {
                facts.put(
                        "vocabulary",
                        vocabulary + " in the model, " + tokenizer.size() + " in the tokenizer: "
                                + (vocabulary - tokenizer.size()) + " rows are padding");
            }
            ReadOptions read = options.data()
                    .readOptions(
                            options.model().tokenizerDirectory(),
                            tokenizer,
                            vocabulary,
                            maxLength,
                            TruncationMode.KEEP_START,
                            rejected);
            return reader.read(model, read, listener, facts);
        }
    }

    private static void describe(TrainOptions options, Model model, Map<String, String> facts) {
        Parameters parameters = model.trained();
        facts.put("device", model.device().description());
        facts.put("dtype", weights(parameters.dtype(), options) + saved(model, options));
        putIfAny(facts, "4-bit weights", model.parameters().fourBitFact());
        facts.put("model", options.model().directory() + ", " + trainedShare(model));
        if (model.adapter() != null) {
            facts.put("adapter", adapter(model, model.adapter(), options));
        }
        String mfu = Throughput.find(model).fact(model.device());
        if (!mfu.isEmpty()) {
            facts.put("mfu", mfu);
        }
        boolean hasGraphs = options.step().hasGraphs(model.device());
        if (model.device().supportsGraphs()) {
            facts.put("graphs", hasGraphs ? GRAPHS : "none: kernels are launched one by one");
        }
        facts.put("activations", options.step().gradientCheckpointing ? RECOMPUTED : KEPT);
        facts.put("memory", Optimizer.bytesPerParameter(parameters, options.optimizer()));
    }

    private static String trainedShare(Model model) {
        long all = model.parameters().parameterCount();
        if (model.adapter() == null) {
            return String.format(Locale.ROOT, "%,d parameters, all trained", all);
        }
        long trained = model.trained().parameterCount();
        return String.format(
                Locale.ROOT, "%,d parameters, frozen; %,d trained (%.2f %%)", all, trained, 100.0 * trained / all);
    }

    private static String adapter(Model model, Adapter adapter, TrainOptions options) {
        double dropout = model.adapterDropout();
        return "LoRA, " + adapter.config()
                + (model.isAdapterNew()
                        ? ""
                        : ", as loaded from " + options.model().directory())
                + (dropout == 0 ? "" : "; its lora_dropout " + dropout + " is not applied");
    }

    /** The dtype of the saved weights, if it is not the one of the trained weights; else nothing. */
    private static String saved(Model model, TrainOptions options) {
        Set<SavedDtype> dtypes = model.savedDtypes(options.output().saveFormat());
        if (dtypes.equals(Set.of(SavedDtype.stored(model.parameters().dtype())))) {
            return "";
        }
        return "; saved in "
                + dtypes.stream().map(SavedDtype::toString).collect(Collectors.joining(" and "))
                + (options.output().saveDtype == null ? ", as loaded; save_dtype changes that" : "");
    }

    private static String weights(DType dtype, TrainOptions options) {
        if (dtype == DType.F32) {
            return "float32";
        }
        if (!options.optimizer().bf16StochasticRound) {
            return "bfloat16, master weights float32";
        }
        boolean hasRoundedMoments = options.optimizer().adamMomentsDtype.storage() == DType.BF16;
        return "bfloat16" + (hasRoundedMoments ? ", AdamW's moments too" : "") + ", rounded stochastically";
    }
}
