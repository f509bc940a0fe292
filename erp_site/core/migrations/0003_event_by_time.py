from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("core", "0002_imports")]

    operations = [
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["created_at", "id"], name="event_by_time"),
        ),
    ]
