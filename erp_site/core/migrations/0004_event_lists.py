import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('core', '0003_event_by_time'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    # New indexes first: MySQL keeps a foreign key only with one that begins with its column.
    operations = [
        migrations.RemoveIndex(
            model_name='event',
            name='event_by_time',
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(fields=['type', 'position', 'id'], name='event_feed_of_type'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(fields=['type', 'created_at', 'id', 'position'], name='event_by_type'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(fields=['created_at', 'id', 'type', 'aggregate', 'actor'], name='event_by_time'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(fields=['actor', 'created_at', 'id', 'type'], name='event_by_actor'),
        ),
        migrations.RemoveIndex(
            model_name='event',
            name='event_type_position',
        ),
        migrations.AlterField(
            model_name='event',
            name='actor',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
    ]
