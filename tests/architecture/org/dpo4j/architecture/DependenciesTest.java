package org.dpo4j.architecture;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.Architectures.layeredArchitecture;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaMethodCall;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchCondition;
import com.tngtech.archunit.lang.ConditionEvents;
import com.tngtech.archunit.lang.SimpleConditionEvent;
import com.tngtech.archunit.library.Architectures.LayeredArchitecture;
import com.tngtech.archunit.library.dependencies.SliceAssignment;
import com.tngtech.archunit.library.dependencies.SliceIdentifier;
import java.util.List;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;

/**
 * Dependencies between packages point in the directions that ARCHITECTURE.md lists. Rules are methods, because Surefire
 * neither counts rules that are fields nor reports when they fail.
 */
@AnalyzeClasses(packages = "org.dpo4j", importOptions = ImportOption.DoNotIncludeTests.class)
class DependenciesTest {

    @ArchTest
    static void packagesDependInOneDirection(JavaClasses classes) {
        LayeredArchitecture packages = layeredArchitecture().consideringOnlyDependenciesInLayers();
        for (String name : "cli quickstart train export report model data io kernels".split(" ")) {
            packages = packages.layer(name).definedBy("org.dpo4j." + name + "..");
        }
        packages.whereLayer("cli")
                .mayNotBeAccessedByAnyLayer()
                .whereLayer("quickstart")
                .mayOnlyBeAccessedByLayers("cli")
                .whereLayer("train")
                .mayOnlyBeAccessedByLayers("cli", "quickstart")
                .whereLayer("export")
                .mayOnlyBeAccessedByLayers("cli")
                .whereLayer("report")
                .mayOnlyBeAccessedByLayers("cli", "quickstart", "train")
                .whereLayer("model")
                .mayOnlyBeAccessedByLayers("cli", "quickstart", "train", "export")
                .whereLayer("data")
                .mayOnlyBeAccessedByLayers("cli", "quickstart", "train", "export", "model")
                .whereLayer("io")
                .mayOnlyAccessLayers("kernels")
                .check(classes);
    }

    @ArchTest
    static void modelReadsOnlyPackedBatches(JavaClasses classes) {
        noClasses()
                .that()
                .resideInAPackage("org.dpo4j.model..")
                .should(dependOnDataOtherThan("PackedBatch"))
                .check(classes);
    }

    /** A nested class belongs to the file of its outermost class. */
    @ArchTest
    static void noCyclesBetweenFiles(JavaClasses classes) {
        assertFreeOfCycles(classes, "files", DependenciesTest::file);
    }

    /**
     * In a package with sub-packages each file counts by itself: a sub-package may use some of these files and be used by
     * others, as long as there is no cycle. So the types that embedders need stay in one package, {@code org.dpo4j.kernels}.
     */
    @ArchTest
    static void noCyclesBetweenPackages(JavaClasses classes) {
        Set<String> packages = classes.stream().map(JavaClass::getPackageName).collect(Collectors.toSet());
        assertFreeOfCycles(
                classes,
                "packages",
                type -> hasSubPackage(type.getPackageName(), packages) ? file(type) : type.getPackageName());
    }

    private static void assertFreeOfCycles(JavaClasses classes, String description, Function<JavaClass, String> slice) {
        SliceAssignment assignment = new SliceAssignment() {
            @Override
            public SliceIdentifier getIdentifierOf(JavaClass type) {
                return SliceIdentifier.of(slice.apply(type));
            }

            @Override
            public String getDescription() {
                return description;
            }
        };
        slices().assignedFrom(assignment).should().beFreeOfCycles().check(classes);
    }

    private static boolean hasSubPackage(String name, Set<String> packages) {
        return packages.stream().anyMatch(other -> other.startsWith(name + "."));
    }

    private static String file(JavaClass type) {
        return type.getName().replaceFirst("\\$.*", "");
    }

    @ArchTest
    static void internalsStayInside(JavaClasses classes) {
        noClasses()
                .that()
                .resideOutsideOfPackage("org.dpo4j.kernels..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("org.dpo4j.kernels.internal..")
                .check(classes);
    }

    @ArchTest
    static void bindingsStayInside(JavaClasses classes) {
        noClasses()
                .that()
                .resideOutsideOfPackage("org.dpo4j.kernels.internal..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("org.bytedeco..")
                .check(classes);
    }

    /** Functions newer than CUDA 13.0. A call of one on CUDA 13.0 ends the process, without an exception. */
    private static final Set<String> NEWER_THAN_CUDA_13_0 = Set.of("""
            cudaDeviceGetDevResource cudaDevSmResourceSplitByCount cudaDevSmResourceSplit
            cudaDevResourceGenerateDesc cudaGreenCtxCreate cudaExecutionCtxDestroy
            cudaExecutionCtxGetDevResource cudaExecutionCtxGetDevice cudaExecutionCtxGetId
            cudaExecutionCtxStreamCreate cudaExecutionCtxSynchronize cudaExecutionCtxRecordEvent
            cudaExecutionCtxWaitEvent cudaDeviceGetExecutionCtx cudaStreamGetDevResource cudaGraphGetId
            cudaGraphExecGetId cudaGraphNodeGetLocalId cudaGraphNodeGetToolsId cudaGraphNodeGetContainingGraph
            cublasLtGroupedMatrixLayoutCreate cublasLtGroupedMatrixLayoutInit_internal
            """.split("\\s+"));

    @ArchTest
    static void callsNothingNewerThanCuda130(JavaClasses classes) {
        List<String> calls = classes.stream()
                .flatMap(type -> type.getMethodCallsFromSelf().stream())
                .filter(call -> NEWER_THAN_CUDA_13_0.contains(call.getName()))
                .map(JavaMethodCall::getDescription)
                .toList();
        assertThat(calls).isEmpty();
    }

    @ArchTest
    static void rootPackageOfKernelsIsSmall(JavaClasses classes) {
        List<String> types = classes.stream()
                .filter(type -> type.getPackageName().equals("org.dpo4j.kernels"))
                .filter(type -> type.getModifiers().contains(JavaModifier.PUBLIC) && type.isTopLevelClass())
                .map(JavaClass::getSimpleName)
                .toList();
        assertThat(types).hasSizeBetween(1, 13);
    }

    private static ArchCondition<JavaClass> dependOnDataOtherThan(String allowed) {
        return new ArchCondition<>("depend on org.dpo4j.data other than " + allowed) {
            @Override
            public void check(JavaClass type, ConditionEvents events) {
                type.getDirectDependenciesFromSelf().stream()
                        .filter(dependency ->
                                dependency.getTargetClass().getPackageName().startsWith("org.dpo4j.data"))
                        .filter(dependency ->
                                !dependency.getTargetClass().getSimpleName().equals(allowed))
                        .forEach(dependency ->
                                events.add(SimpleConditionEvent.satisfied(dependency, dependency.getDescription())));
            }
        };
    }
}
