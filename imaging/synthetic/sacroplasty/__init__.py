"""The seed case: one synthetic patient, two sacral lesions, three procedures, five exams.

The course follows a published report of sacroplasty for metastases of a hepatocellular carcinoma; the patient is made
up, the sizes and amounts are the project's own.
"""
