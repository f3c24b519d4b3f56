/** A program outside dpo4j, as a module: what it requires is all it has to say to run on the module path. */
module com.example.consumer {
    requires org.dpo4j.kernels;
    requires org.dpo4j.trainer;
}
